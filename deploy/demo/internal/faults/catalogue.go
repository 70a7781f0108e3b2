// Package faults is the switchboard: which faults there are, which are on, and until when.
package faults

import "time"

// How long a fault lasts: unless told otherwise, and at most.
const (
	UsualTime   = 60 * time.Second
	LongestTime = 600 * time.Second
)

// Spec describes one switch.
type Spec struct {
	Name string `json:"fault"`
	Does string `json:"does"`
	// Services that have it; empty: each.
	Services []string `json:"services,omitempty"`
	// Unit of the amount; empty: it takes none.
	Unit  string   `json:"unit,omitempty"`
	Usual float64  `json:"usual"`
	Least float64  `json:"least"`
	Most  float64  `json:"most"`
	Modes []string `json:"modes,omitempty"` // the first is the usual one
	// PerOperation says that it can be bound to one operation.
	PerOperation bool `json:"per_operation,omitempty"`
	// Cap is where a leak stops growing, in CapUnit; 0: it takes none.
	Cap     float64 `json:"cap,omitempty"`
	CapMost float64 `json:"cap_most,omitempty"`
	CapUnit string  `json:"cap_unit,omitempty"`
	Reverts string  `json:"reverts"`
	Finding string  `json:"finding"` // which one names it; a family where its rule is still to come
}

const (
	never    = "never: the process ends"
	released = "releases what it holds"
	stops    = "stops"
)

// Catalogue lists every switch.
var Catalogue = []Spec{
	{Name: "leak-memory", Does: "keeps more and more memory", Unit: "MB/s", Usual: 4, Least: 0.1, Most: 1024,
		Cap: 256, CapMost: 16384, CapUnit: "MB", Reverts: released,
		Finding: "RES-004 and GO-004 while it grows, RES-003 near its limit, GO-005 near GOMEMLIMIT, PROC-007 once it is killed for lack of memory; MESH-003 and, where it is asked for, PROF-004 beside well siblings"},
	{Name: "leak-goroutines", Does: "starts goroutines that wait for ever", Unit: "per second", Usual: 50, Least: 1, Most: 10000,
		Modes: []string{"held", "lost"}, Cap: 5000, CapMost: 100000, CapUnit: "goroutines",
		Reverts: "ends them; those of mode lost stay until the process ends",
		Finding: "GO-001"},
	{Name: "spin", Does: "computes without pause", Unit: "cores", Usual: 1, Least: 1, Most: 64, Reverts: stops,
		Finding: "RES-001; RES-002 under a quota; PROF-001 where it is asked for"},
	{Name: "hold-lock", Does: "holds the lock of the store, each time so long (0: all the time)",
		Unit: "ms", Usual: 0, Least: 0, Most: 10000, Reverts: "releases the lock",
		Finding: "PROC-006, GO-002; PROF-003 with an amount"},
	{Name: "deadlock", Does: "two goroutines take two locks of the store in opposite order",
		Reverts: "takes one lock away from its holder",
		Finding: "PROC-006, GO-003"},
	{Name: "allocate", Does: "allocates garbage", Unit: "MB/s", Usual: 500, Least: 1, Most: 20000, Reverts: stops,
		Finding: "GO-005; PROF-002"},
	{Name: "slow", PerOperation: true, Does: "makes an operation (or all of them) slow", Unit: "ms", Usual: 200, Least: 1, Most: 10000,
		Reverts: stops,
		Finding: "REQ: operation slower than its baseline"},
	{Name: "fail", PerOperation: true, Does: "answers a share of the requests of an operation (or of all) with an error", Unit: "share",
		Usual: 0.5, Least: 0.001, Most: 1, Reverts: stops,
		Finding: "REQ: error rate above its baseline"},
	{Name: "wrong", PerOperation: true, Does: "answers with wrong totals", Reverts: stops,
		Finding: "LOG: new error pattern at the caller; REQ: errors at the caller"},
	{Name: "bad-encoding", PerOperation: true, Does: "answers with bytes that are not JSON", Reverts: stops,
		Finding: "REQ: serialization error at the caller; LOG: new error pattern"},
	{Name: "exceed-payload", PerOperation: true, Does: "makes answers that are larger than the server takes", Reverts: stops,
		Finding: "NATS: payload exceeded; REQ: timeouts at the caller"},
	{Name: "panic", Does: "panics", Modes: []string{"message", "nil"}, Reverts: never,
		Finding: "PROC-007, with the words of the panic"},
	{Name: "fatal", Does: "writes a map from several goroutines until the runtime ends the process", Reverts: never,
		Finding: "PROC-007, with the fatal error"},
	{Name: "exit", Does: "exits", Unit: "exit code", Usual: 3, Least: 0, Most: 125, Reverts: never,
		Finding: "PROC-007, with the code; PROC-001 with code 0 or without a launcher; PROC-008 again and again"},
	{Name: "leak-descriptors", Does: "opens files and does not close them", Unit: "per second", Usual: 20, Least: 1, Most: 5000,
		Cap: 2000, CapMost: 1000000, CapUnit: "descriptors", Reverts: released,
		Finding: "RES-006, RES-005 near the limit"},
	{Name: "leak-sockets", Does: "accepts connections and does not close them when the peer did: CLOSE_WAIT", Unit: "per second",
		Usual: 10, Least: 1, Most: 1000, Cap: 1000, CapMost: 20000, CapUnit: "sockets", Reverts: released,
		Finding: "RES-008"},
	{Name: "threads", Does: "blocks operating system threads in a system call", Unit: "threads", Usual: 50, Least: 1, Most: 2000,
		Reverts: "ends the threads",
		Finding: "RES-009"},
	{Name: "race", Does: "counts in a variable from two goroutines without a lock; only a binary built with -race tells",
		Reverts: stops + "; a report was written once",
		Finding: "RACE-001, where its reports can be seen: under a launcher, or with GORACE=log_path"},
	{Name: "reconnect-storm", Does: "drops the NATS connection and connects again, without end", Unit: "per second", Usual: 4,
		Least: 0.1, Most: 50, Reverts: stops,
		Finding: "NATS-015"},
	{Name: "not-ready", Does: "/healthz says 503", Reverts: stops,
		Finding: "PROC-006"},
	{Name: "slow-ready", Does: "/healthz takes long", Unit: "ms", Usual: 2000, Least: 1, Most: 60000, Reverts: stops,
		Finding: "PROC-005; PROC-003 if longer than the probe waits"},
	{Name: "no-stream", Does: "publishes events to a subject that no stream has: they are lost", Services: []string{"orders"},
		Reverts: stops + "; what was lost stays lost",
		Finding: "JS: no stream for a subject; LOG: new error pattern"},
	{Name: "duplicates", Does: "publishes each event twice", Services: []string{"orders"}, Modes: []string{"new-id", "no-id"},
		Reverts: stops + "; what was published stays",
		Finding: "JS: duplicates (new-id: other ids, no-id: never deduplicated)"},
	{Name: "poison", Does: "publishes one event that no consumer can read", Services: []string{"orders"},
		Reverts: "deletes the event",
		Finding: "JS-005, with its sequence"},
	{Name: "slow-subscribe", Does: "reads a plain subscription slowly, so that messages pile up and are dropped",
		Services: []string{"payments"}, Unit: "ms per message", Usual: 1000, Least: 1, Most: 60000, Reverts: stops,
		Finding: "NATS: slow consumer in the client"},
	{Name: "stop-ack", Does: "handles events and acknowledges none", Services: []string{"inventory"},
		Reverts: "acknowledges what it held back",
		Finding: "JS-001"},
	{Name: "ack-late", Does: "acknowledges events late (0: after one and a half times the ack wait)", Services: []string{"inventory"},
		Unit: "ms", Usual: 0, Least: 0, Most: 300000, Reverts: "acknowledges what it held back",
		Finding: "JS-007"},
	{Name: "nak-always", Does: "sends every event back", Services: []string{"inventory"},
		Reverts: stops + "; events that came as often as allowed are lost",
		Finding: "JS-006"},
}
