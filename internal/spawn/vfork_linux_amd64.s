#include "textflag.h"
#include "go_asm.h"

// System calls: their numbers are those of Linux on this architecture. The kernel
// keeps all registers but AX, CX and R11.
#define SYS_rt_sigprocmask 14
#define SYS_execve 59
#define SYS_chdir 80
#define SYS_setpgid 109
#define SYS_getppid 110
#define SYS_prctl 157
#define SYS_exit_group 231
#define SYS_dup3 292
#define SYS_prlimit64 302
#define SYS_clone3 435

#define CLONE_ARGS 64
#define PR_SET_PDEATHSIG 1
#define RLIMIT_NOFILE 7
#define SIG_SETMASK 2

#define CALL(number) \
	MOVQ $number, AX; \
	SYSCALL; \
	CMPQ AX, $0; \
	JLT failed

// func vfork(c *child) (result int)
//
// The child has the parent's stack, and the parent sleeps meanwhile: so the child
// keeps everything in registers and in *c, and never returns. It has no handlers of
// signals, by CLONE_CLEAR_SIGHAND; with those of Go it would run Go.
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-16
	MOVQ c+0(FP), R12
	LEAQ child_flags(R12), DI
	MOVQ $CLONE_ARGS, SI
	MOVQ $SYS_clone3, AX
	SYSCALL
	CMPQ AX, $0
	JEQ born
	MOVQ AX, result+8(FP)
	RET

born:
	XORQ DI, DI
	XORQ SI, SI
	CALL(SYS_setpgid)
	MOVQ child_death(R12), SI
	CMPQ SI, $0
	JEQ bound
	MOVQ $PR_SET_PDEATHSIG, DI
	XORQ DX, DX
	XORQ R10, R10
	XORQ R8, R8
	CALL(SYS_prctl)
	// The parent may have died before.
	CALL(SYS_getppid)
	CMPQ AX, child_parent(R12)
	JNE exit
bound:
	MOVQ child_nofile(R12), DX
	CMPQ DX, $0
	JEQ limited
	XORQ DI, DI
	MOVQ $RLIMIT_NOFILE, SI
	XORQ R10, R10
	CALL(SYS_prlimit64)
limited:
	MOVQ child_dir(R12), DI
	CMPQ DI, $0
	JEQ there
	CALL(SYS_chdir)
there:
	XORQ R13, R13
next:
	CMPQ R13, child_count(R12)
	JGE given
	MOVQ child_files(R12)(R13*8), DI
	MOVQ R13, SI
	XORQ DX, DX
	CALL(SYS_dup3)
	INCQ R13
	JMP next
given:
	MOVQ $SIG_SETMASK, DI
	LEAQ child_mask(R12), SI
	XORQ DX, DX
	MOVQ $8, R10
	CALL(SYS_rt_sigprocmask)
	MOVQ child_path(R12), DI
	MOVQ child_argv(R12), SI
	MOVQ child_env(R12), DX
	CALL(SYS_execve)
failed:
	MOVQ AX, child_errno(R12)
exit:
	MOVQ $253, DI
	MOVQ $SYS_exit_group, AX
	SYSCALL
	JMP exit
