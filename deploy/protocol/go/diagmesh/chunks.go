package diagmesh

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go"
)

const (
	mostHeld = 4 * ChunkedLimit
	mostOpen = 4096
)

var (
	place  = regexp.MustCompile(`^([1-9][0-9]?)/([1-9][0-9]?)$`)
	digits = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)
	hexes  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	ident  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// Assembler puts replies together that come in chunks: of several instances on one subject, in any order. What it
// holds is bounded whatever arrives. The zero value is ready to use; it is not safe for concurrent use.
type Assembler struct {
	Unwanted bool // the question did not ask for chunks: refuse them

	open  map[string]*assembly
	ended map[string]bool
	held  int
}

// whole is what every chunk says of the whole reply, and in which all of them must agree.
type whole struct {
	count, size  int
	digest, from string
}

type assembly struct {
	whole
	parts map[int][]byte
	held  int
}

// Take gives the body of a reply as soon as all of it is there; a message that is no chunk is a whole reply. It gives
// nil while more is to come, and an error when this reply can never be read.
func (a *Assembler) Take(msg *nats.Msg) ([]byte, error) {
	if msg.Header.Get(ChunkHeader) == "" {
		return msg.Data, nil
	}
	if a.Unwanted {
		return nil, fmt.Errorf("%s: its reply came in chunks, and the question did not ask for them", msg.Header.Get(FromHeader))
	}
	number, about, err := describe(msg.Header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", msg.Header.Get(FromHeader), err)
	}
	id := msg.Header.Get(IDHeader)
	if a.ended[id] {
		return nil, nil
	}
	if a.open == nil {
		a.open, a.ended = map[string]*assembly{}, map[string]bool{}
	}
	one := a.open[id]
	if one == nil {
		if len(a.open) >= mostOpen {
			return nil, fmt.Errorf("%s: too many replies in chunks at a time", about.from)
		}
		one = &assembly{whole: about, parts: map[int][]byte{}}
		a.open[id] = one
	}
	body, err := a.add(one, number, about, msg.Data)
	if body != nil || err != nil {
		a.end(id, one)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", one.from, err)
	}
	return body, nil
}

// Missing tells of each reply that is not complete who sent how much of it.
func (a *Assembler) Missing() map[string]string {
	missing := map[string]string{}
	for _, one := range a.open {
		missing[one.from] = fmt.Sprintf("%d of %d chunks of its reply came", len(one.parts), one.count)
	}
	return missing
}

func (a *Assembler) add(one *assembly, number int, about whole, data []byte) ([]byte, error) {
	if about != one.whole {
		return nil, fmt.Errorf("its chunks contradict each other")
	}
	if before, there := one.parts[number]; there {
		if string(before) != string(data) {
			return nil, fmt.Errorf("chunk %d came twice, with other bytes", number)
		}
		return nil, nil
	}
	one.parts[number] = data
	one.held += len(data)
	a.held += len(data)
	switch {
	case one.held > one.size:
		return nil, fmt.Errorf("its chunks have more than the %d bytes they announce", one.size)
	case a.held > mostHeld:
		return nil, fmt.Errorf("there was no room for its reply")
	case len(one.parts) < one.count:
		return nil, nil
	}
	return one.join()
}

func (a *Assembler) end(id string, one *assembly) {
	delete(a.open, id)
	a.held -= one.held
	if len(a.ended) >= mostOpen {
		clear(a.ended)
	}
	a.ended[id] = true
}

func (one *assembly) join() ([]byte, error) {
	body := make([]byte, 0, one.held)
	for _, number := range slices.Sorted(maps.Keys(one.parts)) {
		body = append(body, one.parts[number]...)
	}
	if len(body) != one.size {
		return nil, fmt.Errorf("its chunks have %d bytes instead of %d", len(body), one.size)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != one.digest {
		return nil, fmt.Errorf("its chunks do not add up to what was sent")
	}
	return body, nil
}

func describe(header nats.Header) (int, whole, error) {
	at := place.FindStringSubmatch(header.Get(ChunkHeader))
	size, digest := header.Get(SizeHeader), header.Get(DigestHeader)
	if at == nil || !digits.MatchString(size) || !hexes.MatchString(digest) || !ident.MatchString(header.Get(IDHeader)) {
		return 0, whole{}, fmt.Errorf("a chunk of its reply has malformed headers")
	}
	number, _ := strconv.Atoi(at[1])
	count, _ := strconv.Atoi(at[2])
	bytes, _ := strconv.Atoi(size)
	if number > count || count > MostChunks || bytes > ChunkedLimit {
		return 0, whole{}, fmt.Errorf("a chunk of its reply is beyond the limits")
	}
	return number, whole{count: count, size: bytes, digest: digest, from: header.Get(FromHeader)}, nil
}

// Chunks cuts the body of a reply into messages to the reply subject, in order. A sender must have the server confirm
// each (nats.Conn.FlushWithContext) before the next, so that nobody is flooded.
func Chunks(subject, from string, body []byte, maxPayload int64) []*nats.Msg {
	size := OneMessage(maxPayload)
	count := (len(body) + size - 1) / size
	sum := sha256.Sum256(body)
	var msgs []*nats.Msg
	id := rand.Text()
	for number := range count {
		msg := nats.NewMsg(subject)
		msg.Data = body[number*size : min(len(body), (number+1)*size)]
		msg.Header.Set(ChunkHeader, fmt.Sprintf("%d/%d", number+1, count))
		msg.Header.Set(IDHeader, id)
		msg.Header.Set(SizeHeader, strconv.Itoa(len(body)))
		msg.Header.Set(DigestHeader, hex.EncodeToString(sum[:]))
		msg.Header.Set(FromHeader, from)
		msgs = append(msgs, msg)
	}
	return msgs
}

// OneMessage is how many bytes of a reply go into one message, where the server takes so many with headers.
func OneMessage(maxPayload int64) int {
	return min(MessageLimit, int(maxPayload)-headroom)
}
