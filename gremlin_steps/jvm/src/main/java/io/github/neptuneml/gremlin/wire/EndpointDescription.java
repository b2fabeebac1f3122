package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.structure.Edge;

/** What the service says of an endpoint at one artifact version (docs/wire.md, section 1). */
public final class EndpointDescription {

    /** Vertices of one label: the class of their ids and how many the model knows. */
    static final class NodeLabel {
        final String idType;
        final int count;

        NodeLabel(final String idType, final int count) {
            this.idType = idType;
            this.count = count;
        }
    }

    /** One predicted relation: from a label, through an edge label, to a label. */
    public static final class Relation {
        final String from;
        final String label;
        final String to;

        Relation(final String from, final String label, final String to) {
            this.from = from;
            this.label = label;
            this.to = to;
        }

        /** Whether an edge is one of this relation. */
        public boolean fits(final Edge edge) {
            return Labels.isOnWire(edge.label(), label)
                    && Labels.isOnWire(edge.outVertex().label(), from)
                    && Labels.isOnWire(edge.inVertex().label(), to);
        }

        @Override
        public String toString() {
            return from + "-" + label + "->" + to;
        }
    }

    /** The file with the answers for the vertices of one label; the path is empty where the service tells none. */
    static final class TableReference {
        final long bytes;
        final String path;

        TableReference(final long bytes, final String path) {
            this.bytes = bytes;
            this.path = path;
        }
    }

    final EndpointReference reference;
    final String version;
    final Task task;
    final String property;
    final String dataType;
    final String nodeLabel;
    final List<Relation> relations;
    final Map<String, NodeLabel> nodes;
    final Double threshold;
    final Map<String, TableReference> tables;
    /** Whether its workers find elements by the hashes of their ids. */
    final boolean takesHashes;
    private final InductiveSchema inductive;
    private volatile WorkerPool workers;
    private volatile VersionMemory memory = new VersionMemory();

    EndpointDescription(final EndpointReference reference, final String version, final Task task, final String property,
                        final String dataType, final String nodeLabel, final List<Relation> relations,
                        final Map<String, NodeLabel> nodes, final Double threshold, final Map<String, TableReference> tables,
                        final boolean takesHashes, final WorkerPool workers, final InductiveSchema inductive) {
        this.reference = reference;
        this.version = version;
        this.task = task;
        this.property = property;
        this.dataType = dataType;
        this.nodeLabel = nodeLabel;
        this.relations = relations;
        this.nodes = nodes;
        this.threshold = threshold;
        this.tables = tables;
        this.takesHashes = takesHashes;
        this.workers = workers;
        this.inductive = inductive;
    }

    WorkerPool workers() {
        return workers;
    }

    /** What the JVM has kept of this version. */
    VersionMemory memory() {
        return memory;
    }

    /** Takes over what was kept under another description of the same version. */
    void remember(final EndpointDescription earlier) {
        memory = earlier.memory;
    }

    /** Asks the workers of a newer description of the same version from now on. */
    void moveTo(final EndpointDescription newer) {
        workers = newer.workers;
    }

    public String name() {
        return reference.name();
    }

    public EndpointReference reference() {
        return reference;
    }

    public String version() {
        return version;
    }

    public Task task() {
        return task;
    }

    /** The predicted property; null for link prediction. */
    public String property() {
        return property;
    }

    /** The label of the predicted nodes; null for edge tasks. */
    public String nodeLabel() {
        return nodeLabel;
    }

    /** The predicted relations of an edge task. */
    public List<Relation> relations() {
        return relations;
    }

    /** What an inductive answer reads; absent where the model cannot be asked so. */
    public Optional<InductiveSchema> inductive() {
        return Optional.ofNullable(inductive);
    }

    /** The threshold tuned on validation data, if the model has one. */
    public OptionalDouble threshold() {
        return threshold == null ? OptionalDouble.empty() : OptionalDouble.of(threshold);
    }

    /** The labels that a relation joins to the wanted one; empty if it is not predicted. */
    public Set<String> inputLabels(final String edgeLabel, final String predictedLabel, final boolean tails) {
        return relations.stream()
                .filter(relation -> relation.label.equals(edgeLabel))
                .filter(relation -> (tails ? relation.to : relation.from).equals(predictedLabel))
                .map(relation -> tails ? relation.from : relation.to)
                .collect(Collectors.toSet());
    }

    /** How many vertices of a label the model knows, or as many as possible if the description does not say. */
    public int count(final String label) {
        final NodeLabel node = nodes.get(label);
        return node == null || node.count <= 0 ? Integer.MAX_VALUE : node.count;
    }

    /** The graph's own id of a vertex whose id came as text. */
    public Object id(final String text, final String label) {
        final NodeLabel node = nodes.get(label);
        try {
            return node == null ? text : IdType.convert(text, node.idType);
        } catch (final IllegalArgumentException e) {
            throw Failure.MALFORMED_ANSWER.with(
                    name(), "'" + text + "' is no id of type " + node.idType);
        }
    }

    /** What the endpoint predicts, for messages. */
    @Override
    public String toString() {
        final String what = property == null ? "" : " of property '" + property + "'";
        final String where = nodeLabel != null ? " of vertices labelled '" + nodeLabel + "'"
                : " of " + relations.stream().map(Relation::toString).collect(Collectors.joining(", "));
        return task.phrase() + what + where;
    }
}
