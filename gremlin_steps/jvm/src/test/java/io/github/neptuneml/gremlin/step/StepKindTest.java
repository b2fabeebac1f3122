package io.github.neptuneml.gremlin.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.ConnectiveStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.FilterStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.NotStep;
import org.junit.jupiter.api.Test;

final class StepKindTest {

    private static final StepKind KIND = new StepKind(StepKind.anyOf(List.of(ConnectiveStep.class, NotStep.class)));

    @Test
    void holdsForSubclasses() {
        assertTrue(KIND.has(only(__.not(__.out()))));
        assertTrue(KIND.has(only(__.and(__.out(), __.in()))));
        assertTrue(KIND.has(only(__.or(__.out(), __.in()))));
        assertFalse(KIND.has(only(__.where(__.out()))));
    }

    @Test
    void isFoundOncePerClass() {
        final AtomicInteger tests = new AtomicInteger();
        final StepKind filters = new StepKind(type -> tests.incrementAndGet() > 0 && FilterStep.class.isAssignableFrom(type));
        for (int i = 0; i < 3; i++) {
            assertTrue(filters.has(only(__.not(__.out()))));
            assertFalse(filters.has(only(__.out())));
        }
        assertEquals(2, tests.get());
    }

    private static Step<?, ?> only(final Traversal<?, ?> traversal) {
        return traversal.asAdmin().getStartStep();
    }
}
