package roster

import (
	"context"

	"upsurge/worker/user"
)

// eventCrew is a group of event users.
type eventCrew struct {
	group  *Group
	source user.EventSource
	users  stack
	// late are the users whose Stop returned false.
	late map[user.EventUser]struct{}
}

func (c *eventCrew) start() {
	starter := c.source.NewUser()
	starter.Start()
	c.users.push(starter) // last: one that panicked is not kept
}

func (c *eventCrew) stopNewest() {
	leaver := c.users.pop()
	if leaver.Stop() {
		return
	}
	if c.late == nil {
		c.late = make(map[user.EventUser]struct{})
	}
	c.late[leaver] = struct{}{}
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

func (c *eventCrew) kill() {
	for leaver := range c.late {
		delete(c.late, leaver)
		c.group.guarded(leaver.Kill)
	}
}

func (c *eventCrew) working() int               { return c.users.size }
func (c *eventCrew) leaving() int               { return len(c.late) }
func (c *eventCrew) wait(context.Context) error { return nil }
