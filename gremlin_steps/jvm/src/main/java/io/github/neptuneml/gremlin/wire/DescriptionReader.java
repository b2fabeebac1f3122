package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;

/** Reads an endpoint's description. Members that later releases add are ignored. */
final class DescriptionReader {

    private final ObjectMapper mapper = new ObjectMapper();

    EndpointDescription read(final byte[] json, final EndpointReference reference) {
        try {
            final JsonNode root = mapper.readTree(json);
            if (root == null || !root.isObject()) throw new IllegalArgumentException("it is no JSON object");
            final String status = root.path("status").asText("unknown");
            if (root.path("addresses").isEmpty() && !"InService".equals(status))
                throw Failure.ENDPOINT_NOT_IN_SERVICE.with(reference.name(), status, reference.name());
            return describe(root, reference);
        } catch (final IOException | IllegalArgumentException e) {
            throw Failure.MALFORMED_DESCRIPTION.with(reference.name(), e.getMessage());
        }
    }

    private static EndpointDescription describe(final JsonNode root, final EndpointReference reference) {
        final Task task = Task.ofWireName(text(root, "task"));
        final JsonNode target = root.path("target");
        final boolean link = task == Task.LINK_PREDICTION;
        final boolean node = "node".equals(text(target, "element"));
        return new EndpointDescription(reference, text(root, "version"), task,
                link ? null : text(target, "property"),
                link ? null : task.isRegression() ? "Double" : text(target, "dataType"),
                node ? text(target, "label") : null,
                node ? List.of() : relations(link ? target.path("edges") : target),
                nodes(root.path("schema").path("nodes")),
                root.path("threshold").isNumber() ? root.path("threshold").doubleValue() : null,
                tables(root.path("tables")), root.path("idHashes").asBoolean(false),
                new WorkerPool(addresses(root.path("addresses")), root.path("token").asText("")), inductive(root.path("inductive")));
    }

    private static Map<String, EndpointDescription.TableReference> tables(final JsonNode tables) {
        final Map<String, EndpointDescription.TableReference> byLabel = new HashMap<>();
        for (final JsonNode table : tables)
            byLabel.put(text(table, "label"), new EndpointDescription.TableReference(
                    table.path("bytes").asLong(-1), table.path("path").asText("")));
        return Map.copyOf(byLabel);
    }

    private static String text(final JsonNode node, final String name) {
        final JsonNode member = node.path(name);
        if (!member.isTextual()) throw new IllegalArgumentException("'" + name + "' is missing");
        return member.asText();
    }

    private static List<EndpointDescription.Relation> relations(final JsonNode edges) {
        final List<EndpointDescription.Relation> relations = new ArrayList<>();
        for (final JsonNode edge : edges.isArray() ? edges : List.of(edges))
            relations.add(new EndpointDescription.Relation(text(edge, "from"), text(edge, "label"), text(edge, "to")));
        return List.copyOf(relations);
    }

    private static Map<String, EndpointDescription.NodeLabel> nodes(final JsonNode nodes) {
        final Map<String, EndpointDescription.NodeLabel> byLabel = new HashMap<>();
        for (final JsonNode node : nodes)
            byLabel.put(text(node, "label"), new EndpointDescription.NodeLabel(
                    node.path("idType").asText("String"), node.path("count").asInt(0)));
        return Map.copyOf(byLabel);
    }

    /** Null where the model cannot be asked so. */
    private static InductiveSchema inductive(final JsonNode schema) {
        if (!schema.isObject()) return null;
        final List<Integer> fanouts = new ArrayList<>();
        for (final JsonNode fanout : schema.path("fanouts")) fanouts.add(integer(fanout, "fanouts"));
        final Map<String, List<String>> nodes = new HashMap<>();
        schema.path("nodes").fields().forEachRemaining(node -> nodes.put(node.getKey(), texts(node.getValue())));
        final List<InductiveSchema.EdgeType> edges = new ArrayList<>();
        for (final JsonNode edge : schema.path("edges"))
            edges.add(new InductiveSchema.EdgeType(text(edge, "from"), text(edge, "label"), text(edge, "to"),
                    texts(edge.path("properties")), edges.size()));
        return new InductiveSchema(fanouts, nodes, edges, integer(schema.path("maxNewCandidates"), "maxNewCandidates"));
    }

    private static int integer(final JsonNode node, final String name) {
        if (!node.canConvertToInt() || !node.isIntegralNumber()) throw new IllegalArgumentException("'" + name + "' is no whole number");
        return node.asInt();
    }

    private static List<String> texts(final JsonNode list) {
        final List<String> texts = new ArrayList<>();
        for (final JsonNode text : list) texts.add(text.asText());
        return List.copyOf(texts);
    }

    private static List<URI> addresses(final JsonNode addresses) {
        final List<URI> uris = new ArrayList<>();
        for (final JsonNode address : addresses) uris.add(URI.create(address.asText()));
        return List.copyOf(uris);
    }
}
