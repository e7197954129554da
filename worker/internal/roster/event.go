package roster

import (
	"context"
	"time"

	"upsurge/worker/user"
)

// eventCrew is a group of event users.
type eventCrew struct {
	group  *Group
	source user.EventSource
	users  stack
	// late are the users whose Stop returned false, with the moment at which
	// they are killed.
	late map[user.EventUser]time.Duration
}

func (c *eventCrew) start() {
	starter := c.source.NewUser()
	starter.Start()
	c.users.push(starter) // last: one that panicked is not kept
}

func (c *eventCrew) stopNewest(due time.Duration) {
	leaver := c.users.pop()
	if leaver.Stop() {
		return
	}
	if c.late == nil {
		c.late = make(map[user.EventUser]time.Duration)
	}
	c.late[leaver] = due
}

func (c *eventCrew) ended(leaver user.EventUser) {
	if _, ok := c.late[leaver]; !ok {
		return
	}
	delete(c.late, leaver)
	c.group.count()
	if len(c.late) == 0 {
		c.group.roster.config.Changed()
	}
}

func (c *eventCrew) hasten(due time.Duration) {
	for leaver, before := range c.late {
		c.late[leaver] = min(before, due)
	}
}

func (c *eventCrew) reap(now time.Duration, patient bool) (next time.Duration) {
	next = never
	for leaver, due := range c.late {
		if due > now {
			next = min(next, due)
			continue
		}
		if lingerer, ok := leaver.(user.Lingerer); ok && patient && lingerer.Lingering() {
			c.late[leaver] = never
			continue
		}
		delete(c.late, leaver)
		c.group.CutOff()
		c.group.guarded(leaver.Kill)
	}
	return next
}

func (c *eventCrew) working() int               { return c.users.size }
func (c *eventCrew) leaving() int               { return len(c.late) }
func (c *eventCrew) wait(context.Context) error { return nil }
