package supervise

import "testing"

// The number is the message of the eighth of the reference vectors: the bytes 0
// to 7 under the key of the bytes 0 to 15.
//
// Source: Aumasson, Bernstein: SipHash: a fast short-input PRF, 2012, vectors.
func TestProof(t *testing.T) {
	s := secret{key: [2]uint64{0x0706050403020100, 0x0f0e0d0c0b0a0908}}
	if got := s.proof(0x0706050403020100); got != 0x93f5f5799a932462 {
		t.Errorf("%016x", got)
	}
}
