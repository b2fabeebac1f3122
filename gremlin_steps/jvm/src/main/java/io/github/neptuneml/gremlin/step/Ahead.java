package io.github.neptuneml.gremlin.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What look-aheads have asked for one step: for each of them, the answers of its last batch. They are kept here, and not
 * only in the cache that all queries share, because nothing else may take their place before the step has read them.
 *
 * @param <A> one answer
 */
final class Ahead<A> {

    private final List<Object> askers = new ArrayList<>();
    private final List<Map<?, List<A>>> batches = new ArrayList<>();

    /** Takes the place of what the same asker has put here before. */
    void put(final Object asker, final Map<?, List<A>> answers) {
        final int known = askers.indexOf(asker);
        if (known >= 0) {
            batches.set(known, answers);
            return;
        }
        askers.add(asker);
        batches.add(answers);
    }

    boolean isEmpty() {
        return batches.isEmpty();
    }

    /** The answers for an object, or null where nobody has asked for them. */
    List<A> of(final Object object) {
        for (int i = 0; i < batches.size(); i++) {
            final List<A> answers = batches.get(i).get(object);
            if (answers != null) return answers;
        }
        return null;
    }
}
