package io.github.neptuneml.gremlin.sampling;

import java.util.Iterator;
import java.util.List;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertiesStep;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.PropertyType;

/** The properties of elements that a query may see. */
public final class VisibleProperties {

    private final Reading<Element, Property<?>> reading;

    /**
     * Compiles their reading.
     *
     * @param keys which properties; none: all
     */
    @SuppressWarnings("unchecked")
    public VisibleProperties(final Traversal.Admin<?, ?> query, final List<String> keys) {
        final String[] names = keys.toArray(new String[0]);
        final Reading.Compilation alone = new Reading.Compilation(query);
        reading = alone.add(child -> child.addStep((Step) new PropertiesStep<>(child, PropertyType.PROPERTY, names)),
                PropertiesStep.class, element -> (Iterator<Property<?>>) (Iterator<?>) element.properties(names));
        alone.compile();
    }

    /** To be read to their end, or closed, before those of another element are. */
    public Iterator<Property<?>> of(final Element element) {
        return reading.from(element);
    }
}
