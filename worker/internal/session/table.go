package session

// State is where a worker stands between its master and its users.
type State uint8

const (
	// Ready: no users, waiting for a spawn.
	Ready State = iota
	// Spawning: users are being started or stopped towards a target.
	Spawning
	// Running: the target is reached.
	Running
	// Stopping: the master said stop; users are ending.
	Stopping
	// Rejoining: the master forgot this worker (it was restarted, or gave the
	// worker up); users are ending, then the worker registers anew.
	Rejoining
	// Leaving: the master said quit or the operator ended the worker; users
	// are ending, then the worker exits.
	Leaving
	// Left: goodbye was said. Nothing may follow.
	Left
)

func (s State) String() string {
	return [...]string{"ready", "spawning", "running", "stopping", "rejoining", "leaving", "left"}[s]
}

// OnWire is the state in heartbeats. A master knows three words; any other
// makes it count the worker as inactive, which can end the test for all.
// "running" until the users are gone is what Locust's own worker sends.
func (s State) OnWire() string {
	switch s {
	case Ready, Left:
		return "ready"
	case Spawning:
		return "spawning"
	default:
		return "running"
	}
}

// Input is what can happen to a worker, as far as its state is concerned.
type Input uint8

const (
	// SpawnArrived: a spawn newer than the last one.
	SpawnArrived Input = iota
	// StopArrived and QuitArrived: the master's messages of that name.
	StopArrived
	QuitArrived
	// TargetReached: as many users run as the last spawn asked for.
	TargetReached
	// Emptied: no user is left and every sample was collected.
	Emptied
	// Forgotten: the master no longer knows this worker.
	Forgotten
	// LeaveAsked: SIGTERM or SIGINT.
	LeaveAsked
	inputs
)

func (i Input) String() string {
	return [...]string{"spawn", "stop", "quit", "target reached", "emptied", "forgotten", "leave"}[i]
}

// Effect is what the worker has to do. Effects of one step are carried out in
// their order.
type Effect uint8

const (
	// BeginTest clears the statistics and prepares the classes of the spawn.
	BeginTest Effect = iota
	// ApplyTarget moves the users towards the spawn's counts.
	ApplyTarget
	// StopUsers ends every user within the stop timeout of the last spawn.
	StopUsers
	// EndUsers ends every user within the short grace of a quit.
	EndUsers
	// SendReady, SendSpawning, SendComplete, SendStopped and SendQuit are the
	// messages client_ready, spawning, spawning_complete, client_stopped and
	// quit.
	SendReady
	SendSpawning
	SendComplete
	SendStopped
	SendQuit
	// SendStats sends what was collected and not sent yet.
	SendStats
	// SendLate does the same before client_ready, if there is anything: a
	// master adds to its sums also what comes from a worker that it gave up.
	SendLate
	// CollectStats fetches the samples from the loops; they are sent when
	// they have all come.
	CollectStats
	// DropStats gives up what was collected and not sent, and says how much.
	DropStats
	// ResetStats zeroes what was collected, as the master just did.
	ResetStats
	// SendHeartbeat and SendLogs are the periodic messages.
	SendHeartbeat
	SendLogs
	// Reconnect drops the connection; the transport makes a new one.
	Reconnect
	// Exit ends the worker.
	Exit
	// ExitSilent ends the worker because its master went silent.
	ExitSilent
)

// Row is one line of the table: in State, Input leads to Next with Effects.
type Row struct {
	State   State
	Input   Input
	Next    State
	Effects []Effect
	Reason  string
}

// Table is the worker's side of the conversation, every state with every
// input. A test walks it; Machine looks rows up in it.
//
// Final statistics go out before client_stopped: what comes after it is added
// to the next test, and the master waits for user counts of zero anyway.
var Table = []Row{
	{Ready, SpawnArrived, Spawning, []Effect{BeginTest, SendSpawning, ApplyTarget}, "a test begins"},
	{Ready, StopArrived, Ready, []Effect{SendStopped, SendReady}, "the master waits for an answer also from a worker without users"},
	{Ready, QuitArrived, Left, []Effect{SendStats, SendQuit, Exit}, "nothing runs, so nothing has to end"},
	{Ready, TargetReached, Ready, nil, "late word of a test that has ended"},
	{Ready, Emptied, Ready, nil, "late word of a test that has ended"},
	{Ready, Forgotten, Ready, []Effect{SendReady}, "register anew"},
	{Ready, LeaveAsked, Left, []Effect{SendStats, SendQuit, Exit}, "nothing runs, so nothing has to end"},

	{Spawning, SpawnArrived, Spawning, []Effect{SendSpawning, ApplyTarget}, "targets are absolute: only the latest counts"},
	{Spawning, StopArrived, Stopping, []Effect{StopUsers}, "a stop wins over a ramp"},
	{Spawning, QuitArrived, Leaving, []Effect{CollectStats, EndUsers}, "the master listens for another half second only, so what there is goes first"},
	{Spawning, TargetReached, Running, []Effect{SendComplete}, "the ramp step is done"},
	{Spawning, Emptied, Spawning, nil, "no user may be running between two targets"},
	{Spawning, Forgotten, Rejoining, []Effect{EndUsers}, "nobody steers these users any more"},
	{Spawning, LeaveAsked, Leaving, []Effect{CollectStats, StopUsers}, "leave in good order"},

	{Running, SpawnArrived, Spawning, []Effect{SendSpawning, ApplyTarget}, "the next ramp step or an edit"},
	{Running, StopArrived, Stopping, []Effect{StopUsers}, "the test ends"},
	{Running, QuitArrived, Leaving, []Effect{CollectStats, EndUsers}, "the master listens for another half second only, so what there is goes first"},
	{Running, TargetReached, Running, nil, "already said"},
	{Running, Emptied, Running, nil, "users that ended by themselves do not end the test"},
	{Running, Forgotten, Rejoining, []Effect{EndUsers}, "nobody steers these users any more"},
	{Running, LeaveAsked, Leaving, []Effect{CollectStats, StopUsers}, "leave in good order"},

	{Stopping, SpawnArrived, Stopping, nil, "the machine keeps it and begins the new test once this one has ended"},
	{Stopping, StopArrived, Stopping, nil, "already stopping"},
	{Stopping, QuitArrived, Leaving, []Effect{CollectStats, EndUsers}, "a quit does not wait for the stop timeout"},
	{Stopping, TargetReached, Stopping, nil, "late word of the ramp"},
	{Stopping, Emptied, Ready, []Effect{SendStats, SendStopped, SendReady}, "every count is at the master before it hears that the worker stopped"},
	{Stopping, Forgotten, Rejoining, []Effect{EndUsers}, "nobody waits for client_stopped any more"},
	{Stopping, LeaveAsked, Leaving, []Effect{CollectStats, StopUsers}, "leave in good order"},

	{Rejoining, SpawnArrived, Rejoining, nil, "meant for a registration that ends; a new one follows the ack"},
	{Rejoining, StopArrived, Rejoining, nil, "already ending"},
	{Rejoining, QuitArrived, Leaving, []Effect{EndUsers}, "no use in registering first"},
	{Rejoining, TargetReached, Rejoining, nil, "late word of the ramp"},
	{Rejoining, Emptied, Ready, []Effect{SendLate, SendReady}, "the master's test may still be going on; a new master gets nothing of the old one's"},
	{Rejoining, Forgotten, Rejoining, nil, "already known"},
	{Rejoining, LeaveAsked, Leaving, []Effect{StopUsers}, "leave in good order"},

	{Leaving, SpawnArrived, Leaving, nil, "too late"},
	{Leaving, StopArrived, Leaving, nil, "users are ending already"},
	{Leaving, QuitArrived, Leaving, []Effect{CollectStats, EndUsers}, "an operator's stop timeout is more than the master now listens for"},
	{Leaving, TargetReached, Leaving, nil, "late word of the ramp"},
	{Leaving, Emptied, Left, []Effect{SendStats, SendQuit, Exit}, "every count first, then goodbye"},
	{Leaving, Forgotten, Leaving, nil, "leaving anyway"},
	{Leaving, LeaveAsked, Leaving, nil, "already leaving"},

	{Left, SpawnArrived, Left, nil, "goodbye was said"},
	{Left, StopArrived, Left, nil, "goodbye was said"},
	{Left, QuitArrived, Left, nil, "goodbye was said"},
	{Left, TargetReached, Left, nil, "goodbye was said"},
	{Left, Emptied, Left, nil, "goodbye was said"},
	{Left, Forgotten, Left, nil, "goodbye was said"},
	{Left, LeaveAsked, Left, nil, "goodbye was said"},
}
