package fleet

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"upsurge/worker/internal/roster"
	"upsurge/worker/user"
)

// Test is what the users of a test are made with.
type Test struct {
	Host string
	// Read sets the options of a class from the master's arguments or from
	// flags. It is called on another goroutine than the owner's, for several
	// classes at the same time.
	Read func(*user.OptionSet) error
}

// prepareTimeout bounds Prepare: names to resolve, files to read.
const prepareTimeout = 30 * time.Second

type classState uint8

const (
	statePreparing classState = iota
	stateOpen
	stateFailed
)

// class is a class in the present test. groups is indexed by loop; each loop
// stores its own when it has opened it, the owner reads them.
type class struct {
	state  classState
	limit  limit // set when the class is opened
	groups []atomic.Pointer[roster.Group]
	shown  sync.Once // its failure, which every loop can meet
}

// opened yields the groups that there are.
func (c *class) opened(yield func(*roster.Group) bool) {
	for i := range c.groups {
		if group := c.groups[i].Load(); group != nil && !yield(group) {
			return
		}
	}
}

// Preparation is the result of preparing a class.
type Preparation struct {
	class      *class
	name       string
	definition user.Definition
	limit      limit
	Err        error
}

// prepare reads the options and prepares a class without blocking the owner:
// names may have to be resolved, and heartbeats have to go on meanwhile.
func (f *Fleet) prepare(name string) {
	entry := &class{groups: make([]atomic.Pointer[roster.Group], len(f.members))}
	f.classes[name] = entry
	found, err := user.Find(f.config.Classes, name)
	if err != nil {
		f.fail(Preparation{class: entry, name: name, Err: err})
		return
	}
	test, testEnds, wanted := f.test, f.testEnds, f.wanted[name]
	f.preparing.Go(func() {
		ctx, cancel := context.WithTimeout(testEnds, prepareTimeout)
		defer cancel()
		result := Preparation{class: entry, name: name}
		result.definition, result.limit, result.Err = define(ctx, found, test, f.config)
		if result.Err == nil {
			// Before the first user: a plan that cannot work out shall not begin.
			result.Err = result.limit.refuses(wanted)
		}
		select {
		case f.prepared <- result:
		case <-testEnds.Done():
		}
	})
}

func define(ctx context.Context, class user.Class, test Test, config Config) (definition user.Definition, room limit, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	definition = class.New()
	options := &user.OptionSet{}
	definition.Options(options)
	if test.Read != nil {
		if err := test.Read(options); err != nil {
			return nil, limit{}, err
		}
	}
	if err := definition.Prepare(ctx, user.Test{Host: test.Host, Logger: config.Logger, Share: config.Share}); err != nil {
		return nil, limit{}, err
	}
	if chooser, ok := definition.(user.Chooser); ok {
		definition = chooser.Choose()
	}
	return definition, limitOf(definition), nil
}

// Prepared delivers the classes that are ready or failed; each must be given
// to Open.
func (f *Fleet) Prepared() <-chan Preparation { return f.prepared }

// Open opens a prepared class on every loop and starts its users.
func (f *Fleet) Open(p Preparation) {
	if f.classes[p.name] != p.class || f.testEnds.Err() != nil {
		return // of an earlier test, or of one that ends
	}
	if p.Err != nil {
		f.fail(p)
		return
	}
	p.class.state, p.class.limit = stateOpen, p.limit
	for i, m := range f.members {
		m.loop.Post(func() {
			group, err := m.roster.Open(p.name, p.definition)
			if err != nil {
				p.class.shown.Do(func() { f.report(p.name, err) })
				return
			}
			p.class.groups[i].Store(group)
		})
	}
	f.move()
}

func (f *Fleet) fail(p Preparation) {
	p.class.state = stateFailed
	f.report(p.name, p.Err)
	f.signal()
}

// report shows an error of a class where the operator looks: the owner logs
// exceptions and passes them on to the master.
func (f *Fleet) report(name string, err error) {
	message := fmt.Sprintf("%s cannot run: %v", name, err)
	if errors.Is(err, user.ErrUnknownClass) {
		message = err.Error()
	}
	f.config.Exception(message, message)
}
