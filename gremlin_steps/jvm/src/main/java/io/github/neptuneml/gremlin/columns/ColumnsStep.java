package io.github.neptuneml.gremlin.columns;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.sampling.VisibleProperties;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.FilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GraphStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.AbstractStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.EmptyStep;
import org.apache.tinkerpop.gremlin.process.traversal.traverser.TraverserRequirement;
import org.apache.tinkerpop.gremlin.process.traversal.util.FastNoSuchElementException;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.util.StringFactory;

/** {@code valueMap(keys).with("NeptuneML#columns", n)}: elements with ids, labels and properties, n rows at a time, in columns. */
public final class ColumnsStep extends AbstractStep<Element, Map<String, Object>> {

    /** Of a block's shape. */
    static final int VERSION = 2;
    /** A batch of rows ends early where it has become as large: characters and bytes. */
    private static final int LARGEST = 1 << 23;

    private final int rows;
    private final List<String> keys;
    private VisibleProperties properties;
    private Queue<Block> full = new ArrayDeque<>();
    private boolean isEnded;

    /**
     * Makes a step.
     *
     * @param rows of a batch, which makes a block for each type that is in it; 0: nothing but a fingerprint of all rows
     * @param keys of the properties; none: all
     */
    public ColumnsStep(final Traversal.Admin<?, ?> traversal, final int rows, final List<String> keys) {
        super(traversal);
        this.rows = rows;
        this.keys = keys;
    }

    @Override
    protected Traverser.Admin<Map<String, Object>> processNextStart() {
        return getTraversal().getTraverserGenerator().generate(rows == 0 ? fingerprint() : block(), (Step) this, 1L);
    }

    private Map<String, Object> block() {
        if (full.isEmpty()) full.addAll(nextBatch());
        return full.remove().encoded();
    }

    /** What stands for all rows, once. */
    private Map<String, Object> fingerprint() {
        if (isEnded) throw FastNoSuchElementException.instance();
        isEnded = true;
        final Fingerprint fingerprint = new Fingerprint();
        while (starts.hasNext()) {
            final Traverser.Admin<Element> start = starts.next();
            final Element element = checked(start.get());
            for (long i = 0; i < start.bulk(); i++) fingerprint.add(element, properties());
        }
        return fingerprint.encoded();
    }

    private Collection<Block> nextBatch() {
        final Blocks blocks = new Blocks(properties());
        do {
            final Traverser.Admin<Element> start = starts.next();
            final Element element = checked(start.get());
            for (long i = 0; i < start.bulk(); i++) blocks.add(element);
        } while (blocks.rows() < rows && blocks.size() < LARGEST && starts.hasNext());
        return blocks.all();
    }

    private static Element checked(final Object found) {
        if (found instanceof Vertex || found instanceof Edge) return (Element) found;
        throw Failure.NOT_AN_ELEMENT.with(found == null ? "null" : found.getClass().getSimpleName());
    }

    /** At first execution: only then are all of the query's strategies known. */
    private VisibleProperties properties() {
        if (properties == null) properties = new VisibleProperties(traversal, keys);
        return properties;
    }

    /**
     * Gremlin Server gathers a thousand results, to merge equal ones, unless a query needs single traversers. One that does
     * would lose rows at a barrier, which counts what it merges in bulks: only those without one ask for that.
     */
    @Override
    public Set<TraverserRequirement> getRequirements() {
        return isMergedNowhere() ? EnumSet.of(TraverserRequirement.OBJECT, TraverserRequirement.ONE_BULK)
                : EnumSet.of(TraverserRequirement.OBJECT, TraverserRequirement.BULK);
    }

    private boolean isMergedNowhere() {
        for (Step<?, ?> step = getPreviousStep(); !(step instanceof EmptyStep); step = step.getPreviousStep())
            if (!(step instanceof GraphStep || step instanceof FilterStep)) return false;
        return true;
    }

    @Override
    public ColumnsStep clone() {
        final ColumnsStep clone = (ColumnsStep) super.clone();
        clone.properties = null;
        clone.full = new ArrayDeque<>();
        clone.isEnded = false;
        return clone;
    }

    @Override
    public void reset() {
        super.reset();
        full = new ArrayDeque<>();
        isEnded = false;
    }

    @Override
    public int hashCode() {
        return super.hashCode() ^ rows ^ keys.hashCode();
    }

    @Override
    public String toString() {
        return StringFactory.stepString(this, keys, "rows=" + rows);
    }
}
