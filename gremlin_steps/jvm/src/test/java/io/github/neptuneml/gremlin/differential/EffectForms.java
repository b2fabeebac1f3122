package io.github.neptuneml.gremlin.differential;

import static io.github.neptuneml.gremlin.differential.Form.of;

import java.util.Map;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Operator;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.T;

/** Forms that change the graph, or keep something on their way, before, after and around what they read. */
final class EffectForms {

    private EffectForms() {
    }

    static Stream<Form> all() {
        return Stream.of(kept(), graph()).flatMap(forms -> forms);
    }

    private static Stream<Form> kept() {
        return Stream.of(
                of("store", (g, r) -> r.values(g.V(), "genre").local(__.aggregate("x")).cap("x")),
                of("store and limit", (g, r) -> r.values(g.V().local(__.aggregate("x")), "genre").limit(2).cap("x")),
                of("store after and limit", (g, r) -> r.values(g.V(), "genre").local(__.aggregate("x")).limit(2).cap("x")),
                of("store read upstream", (g, r) -> r.values(g.V().hasLabel("Book").where(P.without("x")).local(__.aggregate("x")), "genre")),
                of("store read upstream, kept downstream", (g, r) -> r.properties(g.V().out("borrowed").where(P.without("x")), "genre").element().local(__.aggregate("x"))),
                of("store in a child", (g, r) -> g.V().hasLabel("Book").where(r.values("genre").local(__.aggregate("x"))).cap("x")),
                of("sideEffect", (g, r) -> g.V().sideEffect(r.values("genre").local(__.aggregate("x"))).cap("x")),
                of("groupCount side effect read", (g, r) -> r.values(g.V().groupCount("x").by(T.label), "genre").cap("x")),
                of("sack", (g, r) -> g.withSack(1.0).V().has("age").sack(Operator.sum).by(r.values("age")).sack()),
                of("sack along", (g, r) -> r.values(g.withSack(0.0).V().has("age").sack(Operator.assign).by(r.values("age")).out("borrowed"), "genre").sack()),
                of("loops", (g, r) -> r.values(g.V(1).repeat(__.out()).until(__.loops().is(2)), "genre").path()),
                of("subgraph", (g, r) -> r.values(g.V(3).outE("borrowed").subgraph("s").inV(), "genre")),
                of("lambda before", (g, r) -> r.values(g.V().map(t -> t.get()), "genre")),
                of("lambda after", (g, r) -> r.values(g.V(), "genre").map(t -> t.get().toString().length())));
    }

    private static Stream<Form> graph() {
        return Stream.of(
                of("drop what is read", (g, r) -> g.V().where(r.values("genre").is("poetry")).drop()),
                of("drop neighbours", (g, r) -> g.V().hasLabel("Reader").where(r.values("age").is(P.gt(21))).out("borrowed").drop()),
                of("drop and go on", (g, r) -> r.values(g.V().hasLabel("Book").sideEffect(__.in("borrowed").drop()), "genre")),
                of("drop seen upstream", (g, r) -> r.properties(g.V().hasLabel("Book").where(__.in("borrowed")), "genre").element().sideEffect(__.in("borrowed").drop()).values("name")),
                of("property after", (g, r) -> r.properties(g.V(), "genre").element().property("seen", true)),
                of("property after, limited", (g, r) -> r.properties(g.V(), "genre").element().property("seen", true).limit(2)),
                of("property before, limited", (g, r) -> r.properties(g.V().property("seen", true), "genre").limit(2)),
                of("property from", (g, r) -> g.V().has("genre").as("b").property("copy", r.values("genre"))),
                of("property seen upstream", (g, r) -> r.properties(g.V(11).out().in().V().hasLabel("Book").hasNot("seen"), "genre").element().property("seen", true).values("name")),
                of("property seen upstream, edges", (g, r) -> r.properties(g.V().hasLabel("Reader").out("borrowed").hasNot("seen"), "genre").element().property("seen", true).values("name")),
                of("addV after", (g, r) -> r.values(g.V(11, 12), "genre").as("g").addV("Genre").property("name", __.select("g"))),
                of("addV before", (g, r) -> r.values(g.addV("Book").property(T.id, 99).V().hasLabel("Book"), "genre")),
                of("addE after", (g, r) -> r.out(g.V(3).as("a"), "borrowed", "Book").addE("likes").from("a").inV()),
                of("addE seen upstream", (g, r) -> r.out(g.V().hasLabel("Reader").not(__.in("liked")).as("a"), "knows", "Reader").addE("liked").from("a").inV().id()),
                of("mergeV", (g, r) -> r.values(g.V(11, 12, 13).as("b").mergeV(Map.of("name", "b0")), "genre")),
                of("drop predicted on edges", (g, r) -> g.E().where(r.values("mood").is("calm")).drop()));
    }
}
