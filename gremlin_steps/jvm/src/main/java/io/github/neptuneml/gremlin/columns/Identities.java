package io.github.neptuneml.gremlin.columns;

import java.util.List;
import java.util.Map;
import org.apache.tinkerpop.gremlin.structure.Element;

/** Elements of one label, whose ids are of one class: the rows of a block, or the vertices at one of their ends. */
final class Identities {

    private final String label;
    private final Class<?> idClass;
    private final Part ids;

    /** Makes an empty one for elements that are like the first. */
    Identities(final Element first) {
        label = first.label();
        idClass = first.id().getClass();
        ids = Part.of(Column.dataType(first.id()));
    }

    /** What the elements of one have in common. */
    static List<Object> type(final Element element) {
        return List.of(element.id().getClass(), element.label());
    }

    /** Whether an element belongs here. */
    boolean takes(final Element element) {
        return element.id().getClass() == idClass && label.equals(element.label());
    }

    /** Takes an element and returns what its id takes, about. */
    int add(final Element element) {
        return ids.add(element.id());
    }

    /** Writes the members of a block that tell of them. */
    void encode(final Map<String, Object> block, final String labelMember, final String typeMember, final String idsMember) {
        block.put(labelMember, label);
        block.put(typeMember, idClass.getSimpleName());
        block.put(idsMember, ids.encoded());
    }
}
