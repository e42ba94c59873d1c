// go run ./bind ORGANIZATION PROJECT ACCOUNT: sends a command, waits for its result, and ends with 1 if it was refused.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type result struct {
	CommandID, CommandSource, Outcome string
	Violations                        []struct{ Reason string }
}

func main() {
	ctx, id, source, prefix := context.Background(), rand.Text(), "/examples/go", cmp.Or(os.Getenv("PREFIX"), "billing.")
	// From a minute ago, before the command is sent: so its result cannot be missed.
	client, err := kgo.NewClient(kgo.SeedBrokers(cmp.Or(os.Getenv("KAFKA"), "localhost:9092")),
		kgo.ConsumeTopics(prefix+"command-results"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().Add(-time.Minute).UnixMilli())))
	if err != nil {
		log.Fatal(err)
	}
	event := map[string]any{"specversion": "1.0", "id": id, "source": source, "authid": "go",
		"type": "io.milo.billing.BindProject.v1",
		"data": map[string]string{"organization": os.Args[1], "project": os.Args[2], "account": os.Args[3]}}
	send := func() {
		headers := []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
		value, _ := json.Marshal(event)
		record := kgo.Record{Topic: prefix + "admin-commands", Key: []byte(os.Args[1]), Headers: headers, Value: value}
		if err := client.ProduceSync(ctx, &record).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}
	send()
	event["answer"] = "again" // has the result published once more, should it have been missed; the same id is always safe
	time.AfterFunc(30*time.Second, send)
	for {
		fetches := client.PollFetches(ctx)
		for _, record := range fetches.Records() {
			var event struct{ Data result }
			json.Unmarshal(record.Value, &event) // a record without a value says nothing
			said := event.Data
			// After one of the last two another result follows.
			if said.CommandID == id && said.CommandSource == source && said.Outcome != "Scheduled" && said.Outcome != "Waiting" {
				fmt.Println(said.Outcome, said.Violations)
				os.Exit(map[string]int{"Rejected": 1}[said.Outcome])
			}
		}
	}
}
