// go run ./follow FILE: appends every change of payer to FILE exactly once, also when it is killed and started again.
// A line is project, sequence and account in one, so that neither is kept without the other.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	file := must(os.OpenFile(os.Args[1], os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644))
	text := must(io.ReadAll(file))
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	file.Truncate(int64(len(whole))) // a crash may have left half a line
	last := map[string]int{}         // the last sequence of every project
	for words := bytes.Fields(whole); len(words) > 0; words = words[3:] {
		last[string(words[0])] = must(strconv.Atoi(string(words[1])))
	}
	client := must(kgo.NewClient(kgo.SeedBrokers(cmp.Or(os.Getenv("KAFKA"), "localhost:9092")),
		kgo.ConsumeTopics(cmp.Or(os.Getenv("PREFIX"), "billing.")+"bindings"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted())))
	for {
		fetches := client.PollFetches(context.Background())
		must(0, fetches.Err())
		for _, record := range fetches.Records() {
			var event struct {
				Type, Subject string
				Sequence      int `json:",string"`
				Data          struct{ Current struct{ Account string } }
			}
			if json.Unmarshal(record.Value, &event) != nil || event.Type != "io.milo.billing.BindingChanged.v1" {
				continue // a record without a value says nothing, and other types are not meant
			}
			known := last[event.Subject]
			if known > 0 && event.Sequence > known+1 {
				log.Fatalf("%s: events after %d are missing: forget it, and read the topic again", event.Subject, known)
			} else if event.Sequence > known {
				must(fmt.Fprintln(file, event.Subject, event.Sequence, cmp.Or(event.Data.Current.Account, "-")))
				last[event.Subject] = event.Sequence
			}
		}
	}
}
