// java Follow.java FILE: appends every change of payer to FILE exactly once, also when it is killed and started again.
// A line is project, sequence and account in one, so that neither is kept without the other.
// On the class path: kafka-clients, jackson-databind, and what these need.
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Follow {
    public static void main(String[] args) throws Exception {
        var file = Path.of(args[0]);
        var text = Files.exists(file) ? Files.readString(file) : "";
        var whole = text.substring(0, text.lastIndexOf('\n') + 1);
        if (!whole.equals(text)) { // a crash left half a line
            try (var channel = Files.newByteChannel(file, StandardOpenOption.WRITE)) {
                channel.truncate(whole.getBytes().length);
            }
        }
        var last = new HashMap<String, Long>(); // the last sequence of every project
        whole.lines().map(line -> line.split(" ")).forEach(words -> last.put(words[0], Long.valueOf(words[1])));
        var env = System.getenv();
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", env.getOrDefault("KAFKA", "localhost:9092"),
            "isolation.level", "read_committed");
        var json = new ObjectMapper();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            var partitions = consumer.partitionsFor(env.getOrDefault("PREFIX", "billing.") + "bindings").stream()
                .map(one -> new TopicPartition(one.topic(), one.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    if (record.value() == null) continue; // a record without a value says nothing
                    var event = json.readTree(record.value());
                    if (!event.path("type").asText().equals("io.milo.billing.BindingChanged.v1")) continue;
                    var subject = event.get("subject").asText();
                    var sequence = Long.parseLong(event.get("sequence").asText());
                    var known = last.get(subject);
                    if (known != null && sequence <= known) continue; // heard before
                    if (known != null && sequence > known + 1)
                        throw new IllegalStateException(subject + ": events after " + known + " are missing");
                    var account = event.at("/data/current/account").asText("-");
                    Files.writeString(file, subject + " " + sequence + " " + account + "\n",
                        StandardOpenOption.CREATE, StandardOpenOption.APPEND);
                    last.put(subject, sequence);
                }
            }
        }
    }
}
