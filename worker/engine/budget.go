package engine

import (
	"sync/atomic"
	"syscall"
)

// budget bounds the connections of all loops of an engine together. Safe from
// any goroutine.
type budget struct {
	most int64 // 0: no bound
	live atomic.Int64
}

// take asks for one more connection. Over the bound it gives the reason that
// the kernel would give.
func (b *budget) take() reason {
	if live := b.live.Add(1); b.most > 0 && live > b.most {
		b.give()
		return reason(syscall.EMFILE)
	}
	return reasonNone
}

// give takes back one connection.
func (b *budget) give() { b.live.Add(-1) }
