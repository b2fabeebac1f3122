package io.github.neptuneml.gremlin;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.apache.tinkerpop.shaded.jackson.databind.node.ArrayNode;
import org.apache.tinkerpop.shaded.jackson.databind.node.MissingNode;
import org.apache.tinkerpop.shaded.jackson.databind.node.ObjectNode;

/**
 * Service and worker in one, on a port of its own, speaking docs/wire.md over real HTTP. A worker's route is
 * {@code /invocations}, the service's own {@code /endpoints/{name}/invocations}.
 */
public final class FakeService implements AutoCloseable {

    /** One request that came in. */
    public static final class Request {
        public final String path;
        public final String authorization;
        public final String traceParent;
        public final JsonNode body;

        Request(final HttpExchange exchange, final String path, final JsonNode body) {
            this.path = path;
            this.authorization = exchange.getRequestHeaders().getFirst("Authorization");
            this.traceParent = exchange.getRequestHeaders().getFirst("traceparent");
            this.body = body;
        }

        public JsonNode parameters() {
            return body.path("data").path("globalParameters");
        }

        /** What an inductive request says of vertices of a label; missing if it has none. */
        public JsonNode nodes(final String label) {
            for (final JsonNode nodes : body.path("data").path("subgraph").path("nodes"))
                if (nodes.path("type").asText().equals(label)) return nodes;
            return MissingNode.getInstance();
        }

        /** The messages of an inductive request along an edge label; missing if it has none. */
        public JsonNode messages(final String label, final boolean reverse) {
            for (final JsonNode edges : body.path("data").path("subgraph").path("edges"))
                if (edges.path("label").asText().equals(label) && edges.path("reverse").asBoolean() == reverse) return edges;
            return MissingNode.getInstance();
        }

        /** The items, one by one. */
        public JsonNode items() {
            final ArrayNode items = MAPPER.createArrayNode();
            body.path("data").path("items").fields().forEachRemaining(member -> {
                final JsonNode column = member.getValue().isTextual() ? hashes(member.getValue()) : member.getValue();
                for (int i = 0; i < column.size(); i++) {
                    if (items.size() <= i) items.addObject();
                    if (!column.get(i).isNull()) ((ObjectNode) items.get(i)).set(member.getKey(), column.get(i));
                }
            });
            return items;
        }

        private static ArrayNode hashes(final JsonNode packed) {
            final ArrayNode hashes = MAPPER.createArrayNode();
            final ByteBuffer bytes = ByteBuffer.wrap(Base64.getDecoder().decode(packed.asText())).order(ByteOrder.LITTLE_ENDIAN);
            while (bytes.hasRemaining()) hashes.add(bytes.getLong());
            return hashes;
        }
    }

    /** A response in place of the ordinary one. */
    public static final class Canned {
        final int status;
        final String body;

        public Canned(final int status, final String body) {
            this.status = status;
            this.body = body;
        }

        public static Canned error(final int status, final String code, final String text) {
            return new Canned(status, "{\"code\":\"" + code + "\",\"detailedMessage\":\"" + text + "\"}");
        }
    }

    private static final ObjectMapper MAPPER = new ObjectMapper();

    public final List<Request> requests = new CopyOnWriteArrayList<>();
    public final List<Request> descriptions = new CopyOnWriteArrayList<>();
    public final List<String> tableRanges = new CopyOnWriteArrayList<>();
    private final Map<String, FakeEndpoint> endpoints = new ConcurrentHashMap<>();
    private final HttpServer server;
    private final ExecutorService executor = Executors.newCachedThreadPool();
    private volatile boolean takesHashes;
    private volatile Canned workerSays;
    private volatile Canned serviceSays;
    private volatile CountDownLatch hold;
    private volatile CountDownLatch holdDescriptions;
    private final CountDownLatch asked = new CountDownLatch(1);

    public FakeService() {
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        server.createContext("/endpoints/", this::describeOrPassOn);
        server.createContext("/invocations", exchange -> invoke(exchange, workerSays));
        server.setExecutor(executor);
        server.start();
    }

    public String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    public FakeService with(final FakeEndpoint endpoint) {
        endpoints.put(endpoint.name, endpoint);
        return this;
    }

    public void remove(final String endpoint) {
        endpoints.remove(endpoint);
    }

    /** Every endpoint finds elements by the hashes of their ids, too. */
    public void takeHashes() {
        takesHashes = true;
    }

    /** Every worker answers this; null for ordinary answers again. */
    public void workersSay(final Canned canned) {
        workerSays = canned;
    }

    /** The service's own route answers this; null for ordinary answers again. */
    public void serviceSays(final Canned canned) {
        serviceSays = canned;
    }

    /** Invocations come in and are not answered until {@link #close}. */
    public void holdAnswers() {
        hold = new CountDownLatch(1);
    }

    /** Nobody is told what an endpoint is until {@link #close}. */
    public void holdDescriptions() {
        holdDescriptions = new CountDownLatch(1);
    }

    public void awaitRequest() throws InterruptedException {
        asked.await();
    }

    private void describeOrPassOn(final HttpExchange exchange) throws IOException {
        final String path = exchange.getRequestURI().getPath();
        final String[] parts = path.split("/");
        if (parts.length == 4) {
            invoke(exchange, serviceSays);
            return;
        }
        if (parts.length == 5) {
            sendTable(exchange, parts[2], parts[4]);
            return;
        }
        descriptions.add(new Request(exchange, exchange.getRequestURI().toString(), null));
        await(holdDescriptions);
        final FakeEndpoint endpoint = endpoints.get(parts[2]);
        final String query = exchange.getRequestURI().getQuery();
        if (endpoint == null || query != null && !endpoint.versions.contains(query.substring("version=".length()))) {
            send(exchange, Canned.error(404, "MLResourceNotFoundException", "no endpoint " + parts[2]));
            return;
        }
        if (query != null) {
            send(exchange, new Canned(200, description(endpoint, query.substring("version=".length()))));
            return;
        }
        final String etag = "\"" + endpoint.version + endpoint.status + "\"";
        exchange.getResponseHeaders().add("ETag", etag);
        final boolean known = etag.equals(exchange.getRequestHeaders().getFirst("If-None-Match"));
        send(exchange, known ? new Canned(304, "") : new Canned(200, description(endpoint, endpoint.version)));
    }

    private String description(final FakeEndpoint endpoint, final String version) {
        return endpoint.description(url(), version).put("idHashes", takesHashes).toString();
    }

    /** A Range of the table, which is what the plugin asks for. */
    private void sendTable(final HttpExchange exchange, final String endpoint, final String label) throws IOException {
        final String range = exchange.getRequestHeaders().getFirst("Range");
        tableRanges.add(range);
        await(hold);
        final byte[] table = endpoints.get(endpoint).table(label);
        if (table == null) {
            send(exchange, Canned.error(404, "MLResourceNotFoundException", "no table"));
            return;
        }
        final String[] ends = range.substring("bytes=".length()).split("-");
        final byte[] block = Arrays.copyOfRange(table, Integer.parseInt(ends[0]), Math.min(table.length, Integer.parseInt(ends[1]) + 1));
        exchange.sendResponseHeaders(206, block.length);
        exchange.getResponseBody().write(block);
        exchange.close();
    }

    private void invoke(final HttpExchange exchange, final Canned canned) throws IOException {
        final JsonNode body = MAPPER.readTree(exchange.getRequestBody().readAllBytes());
        final Request request = new Request(exchange, exchange.getRequestURI().getPath(), body);
        requests.add(request);
        asked.countDown();
        await(hold);
        send(exchange, canned != null ? canned : answer(request));
    }

    private static void await(final CountDownLatch latch) {
        try {
            if (latch != null) latch.await();
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private Canned answer(final Request request) {
        final String version = request.parameters().path("artifactVersion").asText();
        final FakeEndpoint endpoint = endpoints.values().stream()
                .filter(one -> one.versions.contains(version)).findFirst().orElse(null);
        if (endpoint == null) return Canned.error(409, "ConstraintViolationException", "another version");
        final ObjectNode answer = MAPPER.createObjectNode().put("endpoint", endpoint.name).put("artifactVersion", version);
        if (request.body.path("mode").asText().equals("embed")) return embeddings(request, answer);
        endpoint.answer(request, version, answer.putObject("columns"));
        return new Canned(200, answer.toString());
    }

    /** Two numbers per item: its place and the number of items. */
    private static Canned embeddings(final Request request, final ObjectNode answer) {
        final int items = request.items().size();
        final ByteBuffer rows = ByteBuffer.allocate(2 * Float.BYTES * items).order(ByteOrder.LITTLE_ENDIAN);
        for (int item = 0; item < items; item++) rows.putFloat(item).putFloat(items);
        return new Canned(200, answer.put("width", 2).put("embeddings", rows.array()).toString());
    }

    private static void send(final HttpExchange exchange, final Canned canned) throws IOException {
        final byte[] bytes = canned.body.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(canned.status, canned.status == 304 ? -1 : bytes.length);
        if (canned.status != 304) exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    @Override
    public void close() {
        if (hold != null) hold.countDown();
        if (holdDescriptions != null) holdDescriptions.countDown();
        server.stop(0);
        executor.shutdownNow();
    }
}
