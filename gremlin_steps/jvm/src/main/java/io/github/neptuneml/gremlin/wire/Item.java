package io.github.neptuneml.gremlin.wire;

import java.util.Arrays;
import java.util.Collection;
import java.util.Set;

/** What one item of an invocation says: the texts of its members, null where it has none, and the ids to leave out. */
final class Item {
    final String[] texts;
    final Set<String> exclude;
    private final int hash;

    Item(final Collection<String> exclude, final String... texts) {
        this.texts = texts;
        this.exclude = Set.copyOf(exclude);
        this.hash = 31 * Arrays.hashCode(texts) + this.exclude.hashCode();
    }

    @Override
    public boolean equals(final Object other) {
        return other instanceof Item && hash == ((Item) other).hash
                && Arrays.equals(texts, ((Item) other).texts) && exclude.equals(((Item) other).exclude);
    }

    @Override
    public int hashCode() {
        return hash;
    }
}
