package proto

// Limits on what is read from a master. They are far above what Locust sends
// (a spawn message has about 900 bytes) and keep a damaged or foreign peer
// from making the worker allocate without bound.
const (
	// MaxMessageBytes is the length of the longest message that Decode reads.
	MaxMessageBytes = 8 << 20
	maxDepth        = 32      // arrays and maps inside each other
	maxValues       = 1 << 18 // scalars, arrays and maps in one message
	maxTypeBytes    = 255     // a message's type
	maxClassBytes   = 1024    // a class name
	maxHostBytes    = 4096    // spawn's host
	maxClasses      = 4096    // classes in one spawn
	maxUsers        = 1 << 40 // users of one class, or of a whole test
)

// Limits on texts sent to the master, in bytes and with the mark included
// that a cut text ends with. The master holds every distinct text in memory
// and sends all of them to each open page of its web interface.
const (
	MaxNameBytes      = 1024      // a request's name or method, a class name
	MaxErrorBytes     = 4 << 10   // a failure's text, an exception's message
	MaxTracebackBytes = 32 << 10  // an exception's traceback
	MaxLogLineBytes   = 4 << 10   // one line of Logs
	maxCustomBytes    = 256 << 10 // one text in Custom or Stats.Extra
)
