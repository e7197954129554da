package roster

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"upsurge/worker/user"
)

// blockingCrew is a group of users that have a goroutine each. The slices and
// maps belong to the loop; the goroutines tell it of their end with Post.
type blockingCrew struct {
	group      *Group
	definition user.BlockingDefinition
	users      []*blockingUser
	late       map[*blockingUser]time.Duration // and when they are killed
	running    sync.WaitGroup
}

// blockingUser is the handle of one goroutine.
type blockingUser struct {
	stopping chan struct{}      // closed: leave after this round
	cancel   context.CancelFunc // ends what the user waits for
}

func newBlockingCrew(group *Group, definition user.BlockingDefinition) *blockingCrew {
	return &blockingCrew{group: group, definition: definition, late: make(map[*blockingUser]time.Duration)}
}

func (c *blockingCrew) start() {
	ctx, cancel := context.WithCancel(context.Background())
	handle := &blockingUser{stopping: make(chan struct{}), cancel: cancel}
	c.users = append(c.users, handle)
	c.running.Go(func() {
		defer cancel()
		for c.live(ctx, handle) {
			pause(handle.stopping, restartPause)
		}
		c.group.roster.config.Loop.Post(func() { c.ended(handle) })
	})
}

// live runs one user from its making to its Close and says whether another
// has to take its place: after an error of Start or a panic.
func (c *blockingCrew) live(ctx context.Context, handle *blockingUser) (again bool) {
	select {
	case <-handle.stopping:
		return false
	default:
	}
	joined := false
	defer func() {
		if joined {
			c.group.Left()
		}
		if cause := recover(); cause != nil {
			c.group.exception(cause, debug.Stack())
			again = true
		}
	}()
	member := c.definition.NewUser(c.group.scope)
	defer func() {
		if err := member.Close(); err != nil {
			c.fault("Close", err)
		}
	}()
	if err := member.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return false // killed in the middle of it
		}
		c.fault("Start", err)
		return true
	}
	joined = true
	c.group.Joined()
	c.rounds(ctx, handle, member)
	return false
}

// rounds calls Iterate until the user is asked to leave.
func (c *blockingCrew) rounds(ctx context.Context, handle *blockingUser, member user.BlockingUser) {
	for {
		select {
		case <-handle.stopping:
			return
		default:
		}
		wait, err := member.Iterate(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return // killed in the middle of its round
			}
			c.fault("Iterate", err)
			wait = max(wait, restartPause) // or a broken class floods the master
		}
		if wait > 0 {
			pause(handle.stopping, wait)
		}
	}
}

func (c *blockingCrew) fault(where string, err error) {
	c.group.scope.Exception(fmt.Sprintf("%s: %v", c.group.class, err), fmt.Sprintf("%s.%s: %v", c.group.class, where, err))
}

// pause waits, or until the user is asked to leave.
func pause(stopping <-chan struct{}, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-stopping:
	case <-timer.C:
	}
}

func (c *blockingCrew) stopNewest(due time.Duration) {
	last := len(c.users) - 1
	handle := c.users[last]
	c.users[last] = nil
	c.users = c.users[:last]
	c.late[handle] = due
	close(handle.stopping)
}

func (c *blockingCrew) ended(handle *blockingUser) {
	delete(c.late, handle)
	c.group.count()
	if len(c.late) == 0 {
		c.group.roster.config.Changed()
	}
}

func (c *blockingCrew) hasten(due time.Duration) {
	for handle, before := range c.late {
		c.late[handle] = min(before, due)
	}
}

func (c *blockingCrew) reap(now time.Duration, _ bool) (next time.Duration) {
	next = never
	for handle, due := range c.late {
		switch {
		case due == never: // killed before, and not gone yet
		case due > now:
			next = min(next, due)
		default:
			c.late[handle] = never
			c.group.CutOff()
			handle.cancel()
		}
	}
	return next
}

func (c *blockingCrew) working() int { return len(c.users) }
func (c *blockingCrew) leaving() int { return len(c.late) }

func (c *blockingCrew) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		c.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
