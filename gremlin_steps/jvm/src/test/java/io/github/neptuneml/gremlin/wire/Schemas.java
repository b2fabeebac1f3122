package io.github.neptuneml.gremlin.wire;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What models read, for tests elsewhere. */
public final class Schemas {

    private Schemas() {
    }

    /**
     * A schema of edge types {@code from, label, to}, of each of which the same keys are read.
     *
     * @param nodes the keys that are read of a vertex, by label
     */
    public static InductiveSchema of(final Map<String, List<String>> nodes, final List<String> edgeKeys, final List<Integer> fanouts,
                                     final String[]... edges) {
        final List<InductiveSchema.EdgeType> types = new ArrayList<>();
        for (final String[] edge : edges) types.add(new InductiveSchema.EdgeType(edge[0], edge[1], edge[2], edgeKeys, types.size()));
        return new InductiveSchema(fanouts, nodes, types, 0);
    }
}
