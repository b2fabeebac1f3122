package io.github.neptuneml.gremlin.step;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Method;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.RangeGlobalStep;

/** The upper end of a limit() or range(). Found by name, because 3.7 returns a long and 3.8 a Long: other signatures. */
final class FollowingLimit {

    private static final MethodHandle HIGH_RANGE = find();

    private FollowingLimit() {
    }

    private static MethodHandle find() {
        try {
            final Method method = RangeGlobalStep.class.getMethod("getHighRange");
            return MethodHandles.publicLookup().unreflect(method);
        } catch (final ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** How many traversers pass; all of them if there is no upper end. */
    static long of(final RangeGlobalStep<?> step) {
        try {
            final long high = ((Number) HIGH_RANGE.invoke(step)).longValue();
            return high < 0 ? Long.MAX_VALUE : high;
        } catch (final RuntimeException | Error e) {
            throw e;
        } catch (final Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
