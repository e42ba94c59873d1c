// java Bind.java ORGANIZATION PROJECT ACCOUNT: sends a command, waits for its result, and ends with 1 if it was refused.
// On the class path: kafka-clients, jackson-databind, and what these need.
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Bind {
    public static void main(String[] args) throws Exception {
        var env = System.getenv();
        var prefix = env.getOrDefault("PREFIX", "billing.");
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", env.getOrDefault("KAFKA", "localhost:9092"),
            "isolation.level", "read_committed");
        var json = new ObjectMapper();
        String id = UUID.randomUUID().toString(), source = "/examples/java";
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
             var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            var partitions = consumer.partitionsFor(prefix + "command-results").stream()
                .map(one -> new TopicPartition(one.topic(), one.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position); // before the command is sent: so its result cannot be missed
            var event = new LinkedHashMap<String, Object>(Map.of(
                "specversion", "1.0", "id", id, "source", source, "authid", "java",
                "type", "io.milo.billing.BindProject.v1",
                "data", Map.of("organization", args[0], "project", args[1], "account", args[2])));
            var sentAt = 0L;
            while (true) {
                if (System.nanoTime() - sentAt > 30e9 || sentAt == 0) {
                    var record = new ProducerRecord<>(prefix + "admin-commands", args[0], json.writeValueAsString(event));
                    record.headers().add("content-type", "application/cloudevents+json".getBytes());
                    producer.send(record).get();
                    sentAt = System.nanoTime();
                    event.put("answer", "again"); // the next time: the same id is safe, and its result comes once more
                }
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    if (record.value() == null) continue; // a record without a value says nothing
                    var said = json.readTree(record.value()).path("data");
                    if (!said.path("commandId").asText().equals(id) || !said.path("commandSource").asText().equals(source))
                        continue;
                    var outcome = said.get("outcome").asText();
                    if (List.of("Scheduled", "Waiting").contains(outcome)) continue; // another result follows
                    System.out.println(outcome + " " + String.join(" ", said.findValuesAsText("reason")));
                    System.exit(outcome.equals("Rejected") ? 1 : 0);
                }
            }
        }
    }
}
