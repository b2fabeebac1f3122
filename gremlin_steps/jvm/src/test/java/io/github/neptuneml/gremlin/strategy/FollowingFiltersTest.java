package io.github.neptuneml.gremlin.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.TextP;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.HasContainer;
import org.apache.tinkerpop.gremlin.structure.T;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What filters after {@code out('borrowed')} become part of the prediction, as a table: before, taken, after. */
class FollowingFiltersTest {

    private static GraphTraversal<?, ?> books() {
        return __.out("borrowed").hasLabel("Book");
    }

    private static GraphTraversal<?, ?> out() {
        return __.out("borrowed");
    }

    static Stream<Arguments> table() {
        return Stream.of(
                arguments(books(), false, "~label", out()),
                arguments(out().has(T.label, "Book"), false, "~label", out()),
                arguments(out().hasLabel(P.within("Book")), false, "~label", out()),
                arguments(books().has("name", "a"), false, "~label", out().has("name", "a")),
                arguments(books().has("name", "a"), true, "~label name", out()),
                arguments(out().has("name", "a").hasLabel("Book"), false, "~label", out().has("name", "a")),
                arguments(books().hasId(1).values("name"), true, "~label ~id", out().values("name")),
                arguments(books().values("name").has("x", 1), true, "~label", out().values("name").has("x", 1)),
                arguments(books().where(__.out()).has("name", "a"), true, "~label", out().where(__.out()).has("name", "a")),
                arguments(books().hasLabel("Book"), false, "~label ~label", out()),
                arguments(out().has("Book", "name", "a"), false, "~label", out().has("name", "a")));
    }

    @ParameterizedTest
    @MethodSource("table")
    void thatOnTheLabelIsTakenAndTheOthersWhereTheyCountBeforeTheLimit(final GraphTraversal<?, ?> before, final boolean all, final String taken,
                                                                       final GraphTraversal<?, ?> after) {
        final Traversal.Admin<?, ?> traversal = before.asAdmin();
        final FollowingFilters filters = FollowingFilters.of(traversal.getStartStep(), traversal, all);
        assertEquals("Book", filters.vertexLabel());
        assertEquals(taken, filters.criteria().stream().map(HasContainer::getKey).reduce((a, b) -> a + " " + b).orElse(""));
        assertEquals(after.asAdmin(), traversal);
    }

    @Test
    void stepLabelsOfFiltersThatAreGoneAreKept() {
        final Traversal.Admin<?, ?> traversal = __.out("borrowed").hasLabel("Book").as("a", "b").values("name").asAdmin();
        assertEquals(Set.of("a", "b"), FollowingFilters.of(traversal.getStartStep(), traversal, false).labels());
        final Traversal.Admin<?, ?> stays = __.out("borrowed").has("Book", "name", "x").as("a").asAdmin();
        assertEquals(Set.of(), FollowingFilters.of(stays.getStartStep(), stays, false).labels());
        assertEquals(Set.of("a"), stays.getEndStep().getLabels());
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                arguments(out(), NeptuneMLException.UnsupportedOperationException.class),
                arguments(out().has("name", "a"), NeptuneMLException.UnsupportedOperationException.class),
                arguments(out().values("name").hasLabel("Book"), NeptuneMLException.UnsupportedOperationException.class),
                arguments(out().hasLabel(P.neq("Book")), NeptuneMLException.UnsupportedOperationException.class),
                arguments(out().hasLabel(TextP.startingWith("B")), NeptuneMLException.UnsupportedOperationException.class),
                arguments(out().hasLabel("Book", "Film"), NeptuneMLException.InvalidParameterException.class),
                arguments(books().hasLabel("Film"), NeptuneMLException.InvalidParameterException.class));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void noLabelAndSeveralAndUnclearOnesAreRefused(final GraphTraversal<?, ?> steps, final Class<? extends Exception> failure) {
        assertThrows(failure, () -> FollowingFilters.of(steps.asAdmin().getStartStep(), steps.asAdmin(), false));
    }
}
