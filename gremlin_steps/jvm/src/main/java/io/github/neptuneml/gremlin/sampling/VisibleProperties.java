package io.github.neptuneml.gremlin.sampling;

import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertiesStep;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.PropertyType;
import org.apache.tinkerpop.gremlin.structure.util.CloseableIterator;

/** The properties of elements that a query may see. */
public final class VisibleProperties {

    /**
     * Whether a class of elements knows its keys itself. Then its properties are asked for by key: TinkerGraph makes a stream
     * and a list where it is asked for all of them at once.
     */
    private static final ClassValue<Boolean> KNOWS_ITS_KEYS = new ClassValue<>() {
        @Override
        protected Boolean computeValue(final Class<?> type) {
            try {
                return !type.getMethod("keys").getDeclaringClass().isInterface();
            } catch (NoSuchMethodException e) {
                return false;
            }
        }
    };

    /** No property has an empty key. */
    private static final Set<String> NO_KEY = Set.of("");

    private final Reading<Element, Property<?>> reading;
    private final Set<String> keys;
    private final String[] names;

    /**
     * Compiles their reading.
     *
     * @param keys which properties; none: all
     */
    @SuppressWarnings("unchecked")
    public VisibleProperties(final Traversal.Admin<?, ?> query, final List<String> keys) {
        this.keys = Set.copyOf(keys);
        names = keys.toArray(new String[0]);
        final Reading.Compilation alone = new Reading.Compilation(query);
        reading = alone.add(child -> child.addStep((Step) new PropertiesStep<>(child, PropertyType.PROPERTY, names)),
                PropertiesStep.class, element -> (Iterator<Property<?>>) (Iterator<?>) element.properties(names));
        alone.compile();
    }

    /** Hands over the properties of an element, in the graph's order. */
    public void forEach(final Element element, final Consumer<Property<?>> taker) {
        if (keys.equals(NO_KEY)) return;
        if (reading.isPlain() && KNOWS_ITS_KEYS.get(element.getClass())) byKey(element, taker);
        else hand(reading.from(element), taker);
    }

    private void byKey(final Element element, final Consumer<Property<?>> taker) {
        for (final String key : element.keys()) {
            if (!keys.isEmpty() && !keys.contains(key)) continue;
            if (element instanceof Edge) taker.accept(element.property(key));
            else hand(element.properties(key), taker);
        }
    }

    private static void hand(final Iterator<? extends Property<?>> found, final Consumer<Property<?>> taker) {
        try {
            while (found.hasNext()) taker.accept(found.next());
        } finally {
            CloseableIterator.closeIterator(found);
        }
    }
}
