package stats

import (
	"sync"
	"time"

	"upsurge/worker/user"
)

// LockedShard is a Shard for blocking users: every method may be called from
// any goroutine, and each takes a mutex for as long as the Shard's takes.
type LockedShard struct {
	mu    sync.Mutex
	shard *Shard
	// Kept beside the shard: an exception is passed on without the lock, or
	// a slow receiver would hold up every user.
	onException func(message, traceback string)
}

var _ user.Recorder = (*LockedShard)(nil)

// NewLockedShard returns an empty shard. onException may be called from
// several goroutines at the same time; nil drops exceptions.
func NewLockedShard(onException func(message, traceback string)) *LockedShard {
	return &LockedShard{shard: NewShard(nil), onException: onException}
}

// SetEpochOffset is Shard.SetEpochOffset.
func (l *LockedShard) SetEpochOffset(unixNanos int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shard.SetEpochOffset(unixNanos)
}

// Row is Shard.Row.
func (l *LockedShard) Row(method, name string) user.Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shard.Row(method, name)
}

// Failure is Shard.Failure.
func (l *LockedShard) Failure(text string) user.Failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shard.Failure(text)
}

// Success is Shard.Success.
func (l *LockedShard) Success(row user.Row, end, latency time.Duration, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shard.Success(row, end, latency, bytes)
}

// Fail is Shard.Fail.
func (l *LockedShard) Fail(row user.Row, end, latency time.Duration, bytes int64, failure user.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shard.Fail(row, end, latency, bytes, failure)
}

// Exception passes an error of the user class's own code on, without the lock.
func (l *LockedShard) Exception(message, traceback string) {
	if l.onException != nil {
		l.onException(message, traceback)
	}
}

// Swap is Shard.Swap.
func (l *LockedShard) Swap() *Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shard.Swap()
}

// Recycle is Shard.Recycle.
func (l *LockedShard) Recycle(b *Block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shard.Recycle(b)
}
