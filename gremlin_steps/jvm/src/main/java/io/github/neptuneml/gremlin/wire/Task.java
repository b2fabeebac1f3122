package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.NeptuneML;

/** The five tasks, as the wire names them, and the predicate that asks for each. */
public enum Task {

    NODE_CLASS("node_class", NeptuneML.CLASSIFICATION, "a node classification"),
    NODE_REGRESSION("node_regression", NeptuneML.REGRESSION, "a node regression"),
    EDGE_CLASS("edge_class", NeptuneML.CLASSIFICATION, "an edge classification"),
    EDGE_REGRESSION("edge_regression", NeptuneML.REGRESSION, "an edge regression"),
    LINK_PREDICTION("link_prediction", NeptuneML.PREDICTION, "a link prediction");

    private final String wireName;
    private final String predicate;
    private final String phrase;

    Task(final String wireName, final String predicate, final String phrase) {
        this.wireName = wireName;
        this.predicate = predicate;
        this.phrase = phrase;
    }

    /** The predicate that asks for this task. */
    public String predicate() {
        return predicate;
    }

    /** What the task predicts, for messages. */
    public String phrase() {
        return phrase;
    }

    public boolean isRegression() {
        return predicate.equals(NeptuneML.REGRESSION);
    }

    /** @throws IllegalArgumentException if there is no such task */
    public static Task ofWireName(final String name) {
        for (final Task task : values())
            if (task.wireName.equals(name)) return task;
        throw new IllegalArgumentException("unknown task '" + name + "'");
    }
}
