package io.github.neptuneml.gremlin.differential;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.process.traversal.Path;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.BulkSet;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;

/** Results made comparable: a property by key, value and owner, because a predicted one has an id of its own. */
final class Plain {

    private Plain() {
    }

    static Object of(final Object result) {
        if (result instanceof VertexProperty) return property((Property<?>) result, ((VertexProperty<?>) result).element());
        if (result instanceof Element) return result.getClass().getSimpleName() + ((Element) result).id();
        if (result instanceof Property) return property((Property<?>) result, ((Property<?>) result).element());
        if (result instanceof Path) return List.of(of(((Path) result).objects()), ((Path) result).labels());
        if (result instanceof Map.Entry) return List.of(of(((Map.Entry<?, ?>) result).getKey()), of(((Map.Entry<?, ?>) result).getValue()));
        if (result instanceof Map) return map((Map<?, ?>) result);
        if (result instanceof BulkSet) return map(((BulkSet<?>) result).asBulk());
        if (result instanceof Set) return new HashSet<>(list((Collection<?>) result));
        return result instanceof Collection ? list((Collection<?>) result) : result;
    }

    /** The same, with all lists sorted. */
    static Object unordered(final Object plain) {
        if (plain instanceof Map) {
            final Map<Object, Object> sorted = new HashMap<>();
            ((Map<?, ?>) plain).forEach((key, value) -> sorted.put(unordered(key), unordered(value)));
            return sorted;
        }
        if (!(plain instanceof List)) return plain;
        return ((List<?>) plain).stream().map(Plain::unordered).sorted(Comparator.comparing(String::valueOf)).collect(Collectors.toList());
    }

    /** What mutations have added and removed. */
    static Object changes(final Graph before, final Graph after) {
        final Set<Object> added = contents(after);
        final Set<Object> removed = contents(before);
        final Set<Object> same = new HashSet<>(added);
        same.retainAll(removed);
        added.removeAll(same);
        removed.removeAll(same);
        return List.of(added, removed);
    }

    private static Set<Object> contents(final Graph graph) {
        final Set<Object> contents = new HashSet<>();
        graph.vertices().forEachRemaining(vertex -> contents.add(element(vertex)));
        graph.edges().forEachRemaining(edge -> contents.add(List.of(edge.outVertex().id(), edge.inVertex().id(), element(edge))));
        return contents;
    }

    private static Object element(final Element element) {
        final Set<Object> properties = new HashSet<>();
        element.properties().forEachRemaining(property -> properties.add(List.of(property.key(), property.value())));
        return List.of(element.id(), element.label(), properties);
    }

    private static Object property(final Property<?> property, final Element owner) {
        return List.of(property.key(), property.value(), of(owner));
    }

    private static Object map(final Map<?, ?> map) {
        final Map<Object, Object> plain = new HashMap<>();
        map.forEach((key, value) -> plain.put(of(key), of(value)));
        return plain;
    }

    private static List<Object> list(final Collection<?> collection) {
        final List<Object> plain = new ArrayList<>();
        for (final Object result : collection) plain.add(of(result));
        return plain;
    }
}
