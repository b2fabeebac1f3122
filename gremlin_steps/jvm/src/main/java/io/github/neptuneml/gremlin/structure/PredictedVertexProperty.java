package io.github.neptuneml.gremlin.structure;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.table.XxHash64;
import java.util.Collections;
import java.util.Iterator;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;
import org.apache.tinkerpop.gremlin.structure.util.ElementHelper;
import org.apache.tinkerpop.gremlin.structure.util.StringFactory;

/**
 * A predicted property of a vertex. Its id is computed from where the prediction comes from, because TinkerPop compares
 * vertex properties by id alone: equal predictions of one query are equal, and no two others are.
 */
public final class PredictedVertexProperty<V> implements VertexProperty<V> {

    private final Vertex vertex;
    private final String key;
    private final V value;
    private final long origin;
    private final int rank;
    private Long id;

    /**
     * Makes a property.
     *
     * @param origin the hash of endpoint and artifact version
     * @param rank the place among the vertex's predictions, from 0
     */
    public PredictedVertexProperty(final Vertex vertex, final String key, final V value, final long origin, final int rank) {
        this.vertex = vertex;
        this.key = key;
        this.value = value;
        this.origin = origin;
        this.rank = rank;
    }

    @Override
    public Object id() {
        if (id == null) {
            final Object owner = vertex.id();
            id = XxHash64.of(String.join("\0", owner.getClass().getName(), owner.toString(), key, String.valueOf(rank)), origin);
        }
        return id;
    }

    @Override
    public String key() {
        return key;
    }

    @Override
    public V value() {
        return value;
    }

    @Override
    public boolean isPresent() {
        return true;
    }

    @Override
    public Vertex element() {
        return vertex;
    }

    @Override
    public <U> Iterator<Property<U>> properties(final String... propertyKeys) {
        return Collections.emptyIterator();
    }

    @Override
    public <U> Property<U> property(final String metaKey, final U metaValue) {
        throw Failure.NOT_STORED.with();
    }

    @Override
    public void remove() {
        throw Failure.NOT_STORED.with();
    }

    @Override
    public boolean equals(final Object other) {
        return ElementHelper.areEqual(this, other);
    }

    @Override
    public int hashCode() {
        return ElementHelper.hashCode((org.apache.tinkerpop.gremlin.structure.Element) this);
    }

    @Override
    public String toString() {
        return StringFactory.propertyString(this);
    }
}
