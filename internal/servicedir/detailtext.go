package servicedir

import "strconv"

// AppendFields appends the fields of d as JSON, without the braces. The names are
// those of the struct's tags.
func (d *Detail) AppendFields(b []byte) []byte {
	b = appendString(append(b, `"state":`...), string(d.State))
	b = appendString(append(b, `,"want":`...), d.Want)
	b = strconv.AppendInt(append(b, `,"pid":`...), int64(d.PID), 10)
	b = appendSeconds(append(b, `,"since":`...), d.Since)
	b = strconv.AppendBool(append(b, `,"ready":`...), d.Ready)
	b = strconv.AppendBool(append(b, `,"paused":`...), d.Paused)
	b = strconv.AppendInt(append(b, `,"starts":`...), int64(d.Starts), 10)
	b = appendSeconds(append(b, `,"last":{"at":`...), d.Last.At)
	b = strconv.AppendInt(append(b, `,"code":`...), int64(d.Last.Code), 10)
	b = appendString(append(b, `,"signal":`...), d.Last.Signal)
	b = strconv.AppendBool(append(b, `,"unknown":`...), d.Last.Unknown)
	b = strconv.AppendBool(append(b, `,"core":`...), d.Last.Core)
	b = appendSeconds(append(b, `},"next":`...), d.Next)
	b = appendString(append(b, `,"waits":`...), d.Waits)
	b = appendString(append(b, `,"reason":`...), d.Reason)
	b = appendString(append(b, `,"log":`...), d.Log)
	b = appendString(append(b, `,"reload":`...), d.Reload)
	b = appendString(append(b, `,"log_state":`...), string(d.LogState))
	return b
}

func appendSeconds(b []byte, seconds float64) []byte {
	return strconv.AppendFloat(b, seconds, 'f', -1, 64)
}

// appendString appends a JSON string. Bytes that are no UTF-8, which names of
// files may have, become U+FFFD.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}
