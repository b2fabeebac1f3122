package io.github.neptuneml.gremlin.wire;

/** One prediction for one item: a value or the id of a vertex, and its score where there is one. */
public final class Answer {

    private final Object content;
    private final double score;

    Answer(final Object content, final double score) {
        this.content = content;
        this.score = score;
    }

    /** The predicted value, in the property's original type. */
    public Object value() {
        return content;
    }

    /** The predicted vertex's id, as text. */
    public String id() {
        return (String) content;
    }

    /** From 0 to 1; NaN where it was not asked for. */
    public double score() {
        return score;
    }
}
