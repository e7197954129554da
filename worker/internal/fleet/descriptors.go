package fleet

import "syscall"

// reserved is how many descriptors stay free for what else the process needs:
// above all the connection to the master, without which users that take every
// descriptor could not be steered any more, but also logs and results.
const reserved = 64

// connectionLimit is how many connections the users may have: the process's
// limit on descriptors, less the reserve. 0: it is not known, or too low for
// one.
func connectionLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	const most = 1 << 30 // RLIM_INFINITY is beyond any table of descriptors
	if limit.Cur > most {
		return most
	}
	return max(int(limit.Cur)-reserved, int(limit.Cur)/2)
}
