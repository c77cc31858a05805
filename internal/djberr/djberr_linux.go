package djberr

import "syscall"

var systemTexts = [...]errnoText{
	{syscall.ENOSTR, "not a stream device"},
	{syscall.ETIME, "timer expired"},
	{syscall.ENOSR, "out of stream resources"},
	{syscall.EBADMSG, "bad message type"},
	{syscall.ENONET, "machine not on network"},
	{syscall.ENOLINK, "link severed"},
	{syscall.EADV, "advertise error"},
	{syscall.ESRMNT, "srmount error"},
	{syscall.ECOMM, "communication error"},
	{syscall.EMULTIHOP, "multihop attempted"},
	{syscall.EREMCHG, "remote address changed"},
}
