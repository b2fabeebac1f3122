package io.github.neptuneml.gremlin.differential;

import static io.github.neptuneml.gremlin.differential.Form.of;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Operator;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Pick;
import org.apache.tinkerpop.gremlin.process.traversal.Scope;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SeedStrategy;
import org.apache.tinkerpop.gremlin.structure.T;

/** Forms that change the graph, or keep something on their way, before, after and around what they read. */
final class EffectForms {

    private EffectForms() {
    }

    static Stream<Form> all() {
        return Stream.of(kept(), read(), graph(), nested(), barriers()).flatMap(forms -> forms);
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

    /** Side effects that are read by other steps than where(). */
    private static Stream<Form> read() {
        return Stream.of(
                of("cap read upstream", (g, r) -> r.values(g.withSideEffect("x", new ArrayList<>()).V().has("genre").where(__.cap("x").count(Scope.local).is(P.lt(3))), "genre").local(__.aggregate("x"))),
                of("cap read upstream of where", (g, r) -> g.withSideEffect("x", new ArrayList<>()).V().where(__.cap("x").count(Scope.local).is(P.lt(3))).where(r.values("genre")).local(__.aggregate("x")).values("name")),
                of("select read upstream", (g, r) -> r.values(g.withSideEffect("x", new ArrayList<>()).V().where(__.select("x").count(Scope.local).is(P.lt(3))), "genre").local(__.aggregate("x"))),
                of("select read downstream", (g, r) -> r.values(g.withSideEffect("x", new ArrayList<>()).V(), "genre").local(__.aggregate("x")).where(__.select("x").count(Scope.local).is(P.lt(3)))),
                of("group side effect by", (g, r) -> g.V().hasLabel("Book").group("m").by(r.values("genre").fold()).by("name").where(__.has("name", "b3")).cap("m")),
                of("groupCount side effect read upstream", (g, r) -> r.values(g.withSideEffect("x", new HashMap<>()).V().has("genre").where(__.select("x").count(Scope.local).is(P.lt(2))), "genre").groupCount("x")),
                of("sack of predictions", (g, r) -> g.withSack(0.0).V().has("age").sack(Operator.sum).by(r.values("age")).out("knows").has("age").sack(Operator.sum).by(r.values("age")).sack()),
                of("sack, then where and limit", (g, r) -> g.withSack(0.0).V().has("age").sack(Operator.sum).by("age").where(r.values("age").is(P.gt(20))).limit(2).sack()),
                of("where of a sack", (g, r) -> g.withSack(0.0).V().has("age").sack(Operator.sum).by(r.values("age")).where(__.sack().is(P.gt(21))).values("name")),
                of("coin", (g, r) -> r.values(seeded(g).V().coin(0.5), "genre")),
                of("coin after", (g, r) -> r.values(seeded(g).V(), "genre").coin(0.5)),
                of("coin, then where", (g, r) -> seeded(g).V().coin(0.7).where(r.values("genre")).coin(0.7).values("name")),
                of("coin inside", (g, r) -> seeded(g).V().where(__.and(__.coin(0.6), r.values("genre"))).values("name")),
                of("sample", (g, r) -> seeded(g).V().where(r.values("genre")).sample(3)),
                of("sample by", (g, r) -> seeded(g).V().has("age").sample(3).by(r.values("age"))),
                of("sample inside", (g, r) -> seeded(g).V().hasLabel("Reader").local(r.values(__.out("knows").sample(1), "age"))),
                of("until loops", (g, r) -> g.V(1).repeat(r.out("knows", "Reader")).until(__.loops().is(2)).path()),
                of("until either", (g, r) -> g.V(1).repeat(__.out("knows").simplePath()).until(__.or(__.loops().is(3), r.values("age").is(P.gt(22)))).path()),
                of("emit predicted", (g, r) -> g.V(1).repeat(__.out()).emit(r.values("genre").is("novel")).times(3).path()),
                of("choose option of predicted", (g, r) -> g.V().hasLabel("Book").choose(r.values("genre")).option("poetry", __.values("name")).option("novel", __.sideEffect(__.local(__.aggregate("x"))).id()).option(Pick.none, __.constant("?"))),
                of("dedup inside and store", (g, r) -> g.V().has("genre").dedup().by(r.values("genre")).local(__.aggregate("x")).cap("x")),
                of("tail local", (g, r) -> g.V().hasLabel("Reader").map(r.values(__.out("borrowed"), "genre").fold()).tail(Scope.local, 1)),
                of("small barriers", (g, r) -> r.values(g.V().barrier(2), "genre").barrier(2).limit(3)),
                of("small barriers, kept", (g, r) -> r.values(g.V().barrier(2), "genre").barrier(2).local(__.aggregate("x")).limit(3).cap("x")));
    }

    private static GraphTraversalSource seeded(final GraphTraversalSource g) {
        return g.withStrategies(SeedStrategy.build().seed(5).create());
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

    private static Stream<Form> nested() {
        return Stream.of(
                of("where, then store and limit", (g, r) -> g.V().where(r.values("genre")).local(__.aggregate("x")).limit(2).cap("x")),
                of("store, then where and limit", (g, r) -> g.V().local(__.aggregate("x")).where(r.values("genre")).limit(2).cap("x")),
                of("where not stored, where, store", (g, r) -> g.V().out("borrowed").where(P.without("x")).where(r.values("genre")).local(__.aggregate("x"))),
                of("project by, then property and limit", (g, r) -> g.V().has("genre").as("b").project("g").by(r.values("genre")).select("b").property("seen", true).limit(2)),
                of("property, then order by", (g, r) -> g.V().has("genre").property("seen", true).order().by(r.values("genre")).values("name")),
                of("order by, then property and limit", (g, r) -> g.V().has("genre").order().by(r.values("genre")).property("seen", true).limit(2)),
                of("union with an effect beside", (g, r) -> g.V().union(r.values("genre"), __.has("tenant", "b").property("seen", true).values("name"))),
                of("where of a changed graph", (g, r) -> g.V().hasLabel("Book").where(r.values(__.in("borrowed").out("borrowed"), "genre").is("poetry")).sideEffect(__.inE("borrowed").drop()).values("name")),
                of("coalesce or add", (g, r) -> g.V().hasLabel("Book").coalesce(r.values("genre"), __.addV("Lost").values("name"))),
                of("drop if", (g, r) -> g.V().hasLabel("Book").choose(r.values("genre").is("novel"), __.drop(), __.values("name"))),
                of("store between levels", (g, r) -> g.V().where(__.and(r.values("genre"), __.local(__.aggregate("x")), r.values("genre").is("poetry"))).cap("x")),
                of("store in repeat", (g, r) -> g.V(1).repeat(__.out("knows").where(P.without("x")).where(r.values("age")).local(__.aggregate("x"))).times(3).values("name")),
                of("aggregate in repeat", (g, r) -> g.V(1).repeat(__.out("knows").where(P.without("x")).where(r.values("age")).aggregate("x")).times(3).values("name")),
                of("sack in a filter's stretch", (g, r) -> g.withSack(1.0).V().where(r.values("age")).sack(Operator.sum).by("age").sack()),
                of("lambda filter, then project", (g, r) -> g.V().filter(t -> t.get().id().hashCode() % 2 == 0).has("genre").project("g").by(r.values("genre")).limit(2)));
    }

    private static Stream<Form> barriers() {
        return Stream.of(
                of("aggregate before", (g, r) -> r.values(g.V().aggregate("x"), "genre").limit(2).cap("x")),
                of("aggregate after", (g, r) -> r.values(g.V(), "genre").aggregate("x").limit(2).cap("x")),
                of("aggregate by", (g, r) -> g.V().has("genre").aggregate("x").by(r.values("genre")).limit(2).cap("x")),
                of("aggregate read upstream", (g, r) -> r.values(g.V().hasLabel("Book").where(P.without("x")), "genre").aggregate("x").cap("x")),
                of("fold, then property", (g, r) -> r.values(g.V(), "genre").fold().V(1).property("seen", true)),
                of("property, fold", (g, r) -> r.values(g.V().property("seen", true).fold().unfold(), "genre").limit(2)),
                of("count, then addV", (g, r) -> r.values(g.V(), "genre").count().addV("Count")),
                of("store after, read after", (g, r) -> r.values(g.V(), "genre").local(__.aggregate("x")).where(P.within("x"))),
                of("group, then property", (g, r) -> g.V().has("genre").group().by(r.values("genre")).V(1).property("seen", true)),
                of("groupCount side effect after, limit", (g, r) -> r.values(g.V(), "genre").groupCount("x").limit(2).cap("x")),
                of("repeat times", (g, r) -> g.V(1).repeat(Reading.owners(r.properties(__.out("knows"), "age"))).times(3)),
                of("repeat times, filtered", (g, r) -> g.V(1, 2).repeat(__.out("knows").where(r.values("age").is(P.gt(20)))).times(3).path()),
                of("repeat times, flat", (g, r) -> r.values(g.V(1).repeat(__.out("knows")).times(2).out("borrowed"), "genre")),
                of("repeat times emit, limited", (g, r) -> g.V(1).emit().repeat(__.out("knows").where(r.values("age"))).times(3).limit(5)),
                of("repeat in where", (g, r) -> g.V().where(__.repeat(__.out().where(__.or(r.values("age"), r.values("genre")))).times(2).values("genre").is("novel"))),
                of("limit inside and outside", (g, r) -> g.V().hasLabel("Reader").flatMap(r.values(__.out("borrowed").limit(2), "genre").limit(1)).limit(3)),
                of("dedup inside", (g, r) -> g.V().project("n", "g").by("name").by(r.values(__.out().out().dedup(), "genre").fold())),
                of("labels and paths", (g, r) -> g.V().as("a").where(r.values(__.as("a").out("borrowed").as("b"), "genre")).as("c").project("g").by(__.local(r.values("genre")).fold()).path()),
                of("profile inside", (g, r) -> g.V().where(r.values("genre")).profile("m").values("name")));
    }
}
