package fleet

import (
	"errors"
	"fmt"
	"math"

	"upsurge/worker/user"
)

// ErrNoRoom says that more users were asked for than the process has room for.
var ErrNoRoom = errors.New("no room for so many users")

// limit is how many users of a class the process has room for.
type limit struct {
	users int
	why   string
	shown bool
}

func limitOf(definition user.Definition) limit {
	limited, ok := definition.(user.Limited)
	if !ok {
		return limit{users: math.MaxInt}
	}
	users, why := limited.Capacity()
	return limit{users: users, why: why}
}

// refuses is the error of a count beyond the limit.
func (l limit) refuses(count int) error {
	if count <= l.users {
		return nil
	}
	return fmt.Errorf("%w: %d are wanted of this process; %s", ErrNoRoom, count, l.why)
}

// within cuts a wish down to what the class has room for, and says so once.
func (f *Fleet) within(name string, class *class, count int) int {
	if err := class.limit.refuses(count); err != nil {
		if !class.limit.shown {
			class.limit.shown = true
			f.report(name, err)
		}
		return class.limit.users
	}
	return count
}
