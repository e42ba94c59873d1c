// node follow.mjs FILE: appends every change of payer to FILE exactly once, also when it is killed and started again.
// A line is project, sequence and account in one, so that neither is kept without the other.
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { Kafka, logLevel } from "kafkajs";

const { KAFKA = "localhost:9092", PREFIX = "billing." } = process.env;
const [file] = process.argv.slice(2);

const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
const whole = text.slice(0, text.lastIndexOf("\n") + 1);
if (whole !== text) fs.truncateSync(file, Buffer.byteLength(whole)); // a crash left half a line
const last = new Map(); // the last sequence of every project
for (const [subject, sequence] of whole.split("\n").map((line) => line.split(" "))) last.set(subject, Number(sequence));

const kafka = new Kafka({ brokers: KAFKA.split(","), logLevel: logLevel.ERROR });
// KafkaJS cannot read without a group. FILE tells where to go on, so each run has one of its own and commits nothing.
const consumer = kafka.consumer({ groupId: `follow-${randomUUID()}`, readUncommitted: false });
await consumer.connect();
await consumer.subscribe({ topic: `${PREFIX}bindings`, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachMessage: async ({ message }) => {
    if (!message.value) return; // a record without a value says nothing
    const { type, subject, sequence, data } = JSON.parse(message.value);
    if (type !== "io.milo.billing.BindingChanged.v1") return;
    const [number, known] = [Number(sequence), last.get(subject)];
    if (number <= known) return; // heard before
    if (number > known + 1) {
      console.error(`${subject}: events after ${known} are missing: forget it, and read the topic again`);
      process.exit(1);
    }
    fs.appendFileSync(file, `${subject} ${number} ${data.current?.account ?? "-"}\n`);
    last.set(subject, number);
  },
});
