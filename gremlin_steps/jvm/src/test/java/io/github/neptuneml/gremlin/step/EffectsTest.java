package io.github.neptuneml.gremlin.step;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Operator;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.PropertiesStep;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each traversal reads `k` once: could pulling traversers ahead into that step change effects? A `groupCount(key)` is a
 * barrier in 3.8 and none in 3.7, so what is to be kept lazily in both is in a local().
 */
final class EffectsTest {

    static Stream<Arguments> table() {
        return Stream.of(
                row("nothing else", false, __.out().values("k")),
                row("plain filters around it", false, __.has("x").values("k").is(1)),
                row("kept before it", true, __.local(__.aggregate("x")).values("k")),
                row("kept before it, nested", true, __.where(__.out().groupCount("x")).values("k")),
                row("kept before a barrier before it", false, __.groupCount("x").fold().unfold().values("k")),
                row("kept after it, read by none", false, __.values("k").groupCount("x")),
                row("kept after it, read before it", true, __.as("x").where(P.neq("x")).values("k").groupCount("x")),
                row("kept after it, nested, read before it", true, __.as("x").where(P.neq("x")).values("k").local(__.groupCount("x"))),
                row("changed after it", true, __.values("k").property("x", 1)),
                row("changed after it, nested", true, __.values("k").sideEffect(__.addV())),
                row("changed after a barrier after it", false, __.values("k").fold().property("x", 1)),
                row("a sack after it", true, __.values("k").sack(Operator.sum)),
                row("loops after it", true, __.values("k").loops()),
                row("kept before what it is nested in", true, __.local(__.aggregate("x")).where(__.values("k"))),
                row("changed after what it is nested in", true, __.where(__.values("k")).addV()),
                row("kept after what it is nested in", false, __.where(__.values("k")).groupCount("x")),
                row("a barrier after it, changed after what it is nested in", false, __.where(__.values("k").fold()).addV()),
                row("deep in a match", false, __.match(__.as("a").where(__.values("k")).label().as("b"))));
    }

    private static Arguments row(final String name, final boolean around, final Traversal<?, ?> traversal) {
        return Arguments.of(name, around, traversal);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("table")
    void around(final String name, final boolean around, final Traversal<?, ?> traversal) {
        final Step<?, ?> reading = TraversalHelper.getStepsOfAssignableClassRecursively(PropertiesStep.class, traversal.asAdmin()).get(0);
        assertEquals(around, Effects.around(reading));
    }
}
