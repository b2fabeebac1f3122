package io.github.neptuneml.gremlin.wire;

import java.util.Arrays;
import java.util.Collection;
import java.util.Set;

/** What one item of an invocation says: the ids and labels of its members, null where it has none, and the ids to leave out. */
final class Item {
    private final Object[] members;
    final Set<String> exclude;
    private final int hash;

    Item(final Collection<String> exclude, final Object... members) {
        this.members = members;
        this.exclude = Set.copyOf(exclude);
        this.hash = 31 * Arrays.hashCode(members) + this.exclude.hashCode();
    }

    /** A member as the wire says it, or null. */
    String text(final int member) {
        return members[member] == null ? null : members[member].toString();
    }

    @Override
    public boolean equals(final Object other) {
        return other instanceof Item && hash == ((Item) other).hash
                && Arrays.equals(members, ((Item) other).members) && exclude.equals(((Item) other).exclude);
    }

    @Override
    public int hashCode() {
        return hash;
    }
}
