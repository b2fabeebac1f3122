package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.wire.TraceParent;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.util.Metrics;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalMetrics;
import org.junit.jupiter.api.Test;

/** What {@code profile()} says of predictions, in both of its forms. */
class ProfileTest extends PredictionTest {

    private static TraversalMetrics profile(final Traversal<?, ?> query) {
        return (TraversalMetrics) query.next();
    }

    private static List<Metrics> all(final Collection<? extends Metrics> metrics) {
        final List<Metrics> all = new ArrayList<>();
        for (final Metrics one : metrics) {
            all.add(one);
            all.addAll(all(one.getNested()));
        }
        return all;
    }

    private static Metrics of(final String step, final TraversalMetrics profile) {
        return all(profile.getMetrics()).stream().filter(metrics -> metrics.getName().startsWith(step)).findFirst().orElseThrow();
    }

    /** What the query's requests called themselves. */
    private Set<String> requestIds() {
        return service.requests.stream().map(request -> request.parameters().path("requestId").asText()).collect(Collectors.toSet());
    }

    private static long number(final Metrics metrics, final String annotation) {
        return ((Number) metrics.getAnnotation(annotation)).longValue();
    }

    @Test
    void aFlatPredictionShowsItsCosts() {
        final TraversalMetrics profile = profile(g("country").V().hasLabel("person").values("country").with(CLASSIFICATION).profile());
        final Metrics metrics = of("PredictedPropertiesStep(country,classification,value,endpoint=country", profile);
        assertEquals(2, number(metrics, "batches"));
        assertEquals(2, number(metrics, "calls"));
        assertEquals(4, number(metrics, "items"));
        assertEquals(0, number(metrics, "cacheHits"));
        assertEquals(0, number(metrics, "tableHits"));
        assertTrue(number(metrics, "bytes") > 100);
        assertTrue((double) metrics.getAnnotation("waitMillis") > 0);
        assertEquals(Set.of(metrics.getAnnotation("requestId")), requestIds());
    }

    @Test
    void aNestedOneShowsThemAtTheLookAhead() {
        final TraversalMetrics profile = profile(g("country").V().hasLabel("person").where(__.values("country").with(CLASSIFICATION)).profile());
        final Metrics ahead = of("LookAheadStep", profile);
        assertEquals(2, number(ahead, "calls"));
        assertEquals(4, number(ahead, "items"));
        final Metrics nested = of("PredictedPropertiesStep", profile);
        assertEquals(0, number(nested, "calls"));
        assertEquals(4, number(nested, "cacheHits"));
    }

    @Test
    void theTextHasThemToo() {
        final String text = profile(g("links").V().hasLabel("person").out("created").with(NeptuneML.PREDICTION).hasLabel("software").profile()).toString();
        for (final String annotation : List.of("PredictedVerticesStep(", "requestId=", "calls=", "items=", "bytes=", "batches=", "tableHits=", "cacheHits=", "waitMillis="))
            assertTrue(text.contains(annotation), annotation + " is not in " + text);
    }

    /** What the query's requests said of their trace, by whichever route they came. */
    private Set<String> traceParents() {
        return service.requests.stream().map(request -> request.traceParent).collect(Collectors.toSet());
    }

    @Test
    void allThatAQueryAsksIsOneTrace() {
        service.workersSay(FakeService.Canned.error(503, "FailureByQueryException", "shutting down"));
        final TraversalMetrics profile = profile(g("country").V().hasLabel("person").values("country").with(CLASSIFICATION).profile());
        final String id = (String) of("PredictedPropertiesStep", profile).getAnnotation("requestId");
        assertEquals(Set.of(TraceParent.of(id, null)), traceParents());
        assertEquals(Set.of("/invocations", "/endpoints/country/invocations"), service.requests.stream().map(request -> request.path).collect(Collectors.toSet()));
    }

    @Test
    void aQueryMayNameATraceOfItsCallers() {
        final String given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        g("country").with("traceparent", given).V().hasLabel("person").values("country").with(CLASSIFICATION).iterate();
        assertEquals(Set.of(given), traceParents());
    }
}
