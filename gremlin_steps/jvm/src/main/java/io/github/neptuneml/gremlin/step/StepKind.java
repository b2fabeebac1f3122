package io.github.neptuneml.gremlin.step;

import java.util.List;
import java.util.function.Predicate;
import org.apache.tinkerpop.gremlin.process.traversal.Step;

/** What holds for all steps of a class or for none; found once per class, because it is asked of every step of a query. */
final class StepKind {

    private final ClassValue<Boolean> known;

    StepKind(final Predicate<Class<?>> test) {
        known = new ClassValue<>() {
            @Override
            protected Boolean computeValue(final Class<?> type) {
                return test.test(type);
            }
        };
    }

    /** The steps of some classes, sub-classes too. */
    static Predicate<Class<?>> anyOf(final List<Class<?>> classes) {
        return type -> classes.stream().anyMatch(each -> each.isAssignableFrom(type));
    }

    boolean has(final Step<?, ?> step) {
        return known.get(step.getClass());
    }
}
