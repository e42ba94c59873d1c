// node bind.mjs ORGANIZATION PROJECT ACCOUNT: sends a command, waits for its result, and ends with 1 if it was refused.
import { randomUUID } from "node:crypto";
import { Kafka, Partitioners, logLevel } from "kafkajs";

const { KAFKA = "localhost:9092", PREFIX = "billing." } = process.env;
const [organization, project, account] = process.argv.slice(2);
const [id, source, results] = [randomUUID(), "/examples/node", `${PREFIX}command-results`];

const kafka = new Kafka({ brokers: KAFKA.split(","), logLevel: logLevel.ERROR });
const admin = kafka.admin();
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
const consumer = kafka.consumer({ groupId: `results-${id}` }); // reads what is committed unless told otherwise
const clients = [admin, producer, consumer];
await Promise.all(clients.map((client) => client.connect()));

// Where the results end now, before the command is sent: so its result cannot be missed.
const ends = await admin.fetchTopicOffsets(results);
await consumer.subscribe({ topic: results });
const result = new Promise((resolve) => {
  consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      if (!message.value) return; // a record without a value says nothing
      const { type, data } = JSON.parse(message.value);
      if (type !== "io.milo.billing.CommandCompleted.v1") return;
      if (data.commandId !== id || data.commandSource !== source) return;
      // After one of these two another result follows.
      if (!["Scheduled", "Waiting"].includes(data.outcome)) resolve(data);
    },
  });
});
for (const { partition, high } of ends) consumer.seek({ topic: results, partition, offset: high });

const send = (more) => producer.send({
  topic: `${PREFIX}admin-commands`,
  messages: [{
    key: organization,
    headers: { "content-type": "application/cloudevents+json" },
    value: JSON.stringify({
      specversion: "1.0", id, source, type: "io.milo.billing.BindProject.v1", authid: "node", ...more,
      data: { organization, project, account },
    }),
  }],
});
await send({});
// Sending the same id again is always safe; `answer` has the result published once more, should it have been missed.
const again = setInterval(() => send({ answer: "again" }), 30_000);
const { outcome, violations } = await result;
clearInterval(again);
console.log([outcome, ...violations.map((violation) => violation.reason)].join(" "));
await Promise.all(clients.map((client) => client.disconnect()));
process.exitCode = outcome === "Rejected" ? 1 : 0;
