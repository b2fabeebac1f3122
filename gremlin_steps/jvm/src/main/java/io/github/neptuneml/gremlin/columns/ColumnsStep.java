package io.github.neptuneml.gremlin.columns;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.sampling.VisibleProperties;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.EnumSet;
import java.util.Iterator;
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
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.util.CloseableIterator;
import org.apache.tinkerpop.gremlin.structure.util.StringFactory;

/** {@code valueMap(keys).with("NeptuneML#columns", n)}: elements with ids, labels and properties, n rows at a time, in columns. */
public final class ColumnsStep extends AbstractStep<Element, Map<String, Object>> {

    /** Of a block's shape. */
    static final int VERSION = 1;
    /** A batch of rows ends early where it has become as large: characters and bytes. */
    private static final int LARGEST = 1 << 23;

    private final int rows;
    private final List<String> keys;
    private VisibleProperties properties;
    private Queue<Block> full = new ArrayDeque<>();

    /**
     * Makes a step.
     *
     * @param rows of a batch, which makes a block for each type that is in it
     * @param keys of the properties; none: all
     */
    public ColumnsStep(final Traversal.Admin<?, ?> traversal, final int rows, final List<String> keys) {
        super(traversal);
        this.rows = rows;
        this.keys = keys;
    }

    @Override
    protected Traverser.Admin<Map<String, Object>> processNextStart() {
        if (full.isEmpty()) full.addAll(nextBatch());
        final Map<String, Object> block = full.remove().encoded();
        return getTraversal().getTraverserGenerator().generate(block, (Step) this, 1L);
    }

    private Collection<Block> nextBatch() {
        final Blocks blocks = new Blocks();
        int count = 0;
        int size = 0;
        do {
            final Traverser.Admin<Element> start = starts.next();
            final Object element = start.get();
            if (!(element instanceof Vertex) && !(element instanceof Edge))
                throw Failure.NOT_AN_ELEMENT.with(element == null ? "null" : element.getClass().getSimpleName());
            for (long i = 0; i < start.bulk(); i++, count++) size += add(start.get(), blocks);
        } while (count < rows && size < LARGEST && starts.hasNext());
        return blocks.all();
    }

    private int add(final Element element, final Blocks blocks) {
        final Iterator<Property<?>> visible = properties().of(element);
        try {
            return blocks.add(element, visible);
        } finally {
            CloseableIterator.closeIterator(visible);
        }
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
        return clone;
    }

    @Override
    public void reset() {
        super.reset();
        full = new ArrayDeque<>();
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
