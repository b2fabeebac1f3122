package io.github.neptuneml.gremlin.differential;

import static io.github.neptuneml.gremlin.differential.Form.of;

import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Operator;
import org.apache.tinkerpop.gremlin.process.traversal.Order;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Pop;
import org.apache.tinkerpop.gremlin.process.traversal.Scope;
import org.apache.tinkerpop.gremlin.process.traversal.TextP;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.Column;
import org.apache.tinkerpop.gremlin.structure.T;

/** Forms that read properties of vertices and edges and change nothing. */
final class PropertyForms {

    private PropertyForms() {
    }

    static Stream<Form> all() {
        return Stream.of(flat(), folded(), unproductive(), edges(), named(), filters(), collected(), nested(), branches(), loops(), cut(), further()).flatMap(forms -> forms);
    }

    /** What becomes one step, and where it must not. */
    private static Stream<Form> folded() {
        return Stream.of(
                of("value labelled", (g, r) -> r.properties(g.V().as("v"), "genre").value().as("x").select("v", "x").by(T.id).by()),
                of("properties and value labelled", (g, r) -> r.properties(g.V(), "genre").as("p").value().as("x").select("p", "x")),
                of("value path", (g, r) -> r.properties(g.V(), "genre").value().path()),
                of("value path in a child", (g, r) -> g.V().local(r.properties("genre").value().path())),
                of("value path outside", (g, r) -> g.V().flatMap(r.properties("genre").value()).path()),
                of("value simplePath", (g, r) -> r.properties(g.V(), "genre").value().simplePath()),
                of("value tree", (g, r) -> r.properties(g.V(), "genre").value().tree()),
                of("value withPath", (g, r) -> r.properties(g.withPath().V(), "genre").value().map(t -> t.path().size())),
                of("value of edges", (g, r) -> r.properties(g.E(), "mood").value()),
                of("value bulk", (g, r) -> r.properties(g.V().out("borrowed").barrier(), "age").value().groupCount()),
                of("value limit", (g, r) -> r.properties(g.V(), "genre").value().limit(2)),
                of("value where", (g, r) -> g.V().where(r.properties("genre").value().is("poetry"))),
                of("value union", (g, r) -> g.V().union(r.properties("genre").value(), r.properties("age").value())));
    }

    /** Modulators that say nothing of some elements: those that the model does not know. */
    private static Stream<Form> unproductive() {
        return Stream.of(
                of("project by unknown", (g, r) -> g.V().project("id", "genre").by(T.id).by(r.values("genre"))),
                of("project by unknown value", (g, r) -> g.V().project("id", "genre").by(T.id).by(r.properties("genre").value())),
                of("project by unknown properties", (g, r) -> g.V().project("id", "genre").by(T.id).by(r.properties("genre"))),
                of("order by unknown", (g, r) -> g.V().order().by(r.values("age")).by(T.id)),
                of("order by unknown desc", (g, r) -> g.V().order().by(r.properties("age").value(), Order.desc).by(T.id)),
                of("order local by unknown", (g, r) -> g.V().fold().order(Scope.local).by(r.values("age"))),
                of("group by unknown", (g, r) -> g.V().group().by(r.values("genre")).by(T.id)),
                of("group by unknown twice", (g, r) -> g.V().group().by(T.label).by(r.values("genre"))),
                of("groupCount by unknown", (g, r) -> g.V().groupCount().by(r.values("genre"))),
                of("dedup by unknown", (g, r) -> g.V().dedup().by(r.values("genre"))),
                of("select by unknown", (g, r) -> g.V().as("a").out().as("b").select("a", "b").by(r.values("age")).by(T.id)),
                of("select one by unknown", (g, r) -> g.V().as("a").select("a").by(r.values("age"))),
                of("path by unknown", (g, r) -> g.V().path().by(r.values("age"))),
                of("tree by unknown", (g, r) -> g.V().tree().by(r.values("age"))),
                of("where by unknown", (g, r) -> g.V().as("a").out("knows").as("b").where("a", P.lt("b")).by(r.values("age")).select("a", "b").by(T.id)),
                of("aggregate by unknown", (g, r) -> g.V().aggregate("x").by(r.values("genre")).cap("x")),
                of("sack by unknown", (g, r) -> g.withSack(0.0).V().has("age").sack(Operator.sum).by(r.values("age")).sack()));
    }

    private static Stream<Form> flat() {
        return Stream.of(
                of("values", (g, r) -> r.values(g.V(), "genre")),
                of("properties", (g, r) -> r.properties(g.V(), "genre")),
                of("regression", (g, r) -> r.values(g.V(), "age")),
                of("regression properties", (g, r) -> r.properties(g.V(), "age")),
                of("by ids", (g, r) -> r.values(g.V(14, 11, 14, 99), "genre")),
                of("after a traversal", (g, r) -> r.values(g.V(3).out("borrowed"), "genre")),
                of("value", (g, r) -> r.properties(g.V(), "genre").value()),
                of("value().is", (g, r) -> r.properties(g.V(), "genre").value().is("poetry")),
                of("value().is(P)", (g, r) -> r.properties(g.V(), "age").value().is(P.gte(22))),
                of("value().is(between)", (g, r) -> r.properties(g.V(), "age").value().is(P.between(21, 24))),
                of("hasValue", (g, r) -> r.properties(g.V(), "genre").hasValue("poetry")),
                of("hasValue(several)", (g, r) -> r.properties(g.V(), "genre").hasValue("poetry", "essay")),
                of("hasValue(P)", (g, r) -> r.properties(g.V(), "age").hasValue(P.lte(22D))),
                of("has(value)", (g, r) -> r.properties(g.V(), "genre").has(T.value, "essay")),
                of("has(value, P)", (g, r) -> r.properties(g.V(), "genre").has(T.value, P.within("poetry", "novel"))),
                of("has(value, TextP)", (g, r) -> r.properties(g.V(), "genre").has(T.value, TextP.startingWith("po"))),
                of("has(value, and)", (g, r) -> r.properties(g.V(), "age").has(T.value, P.gt(20).and(P.lt(24)))),
                of("hasKey", (g, r) -> r.properties(g.V(), "genre").hasKey("genre")),
                of("hasKey of another", (g, r) -> r.properties(g.V(), "genre").hasKey("name")),
                of("has(key)", (g, r) -> r.properties(g.V(), "genre").has(T.key, P.neq("genre"))),
                of("key", (g, r) -> r.properties(g.V(), "genre").key()),
                of("key().is", (g, r) -> r.properties(g.V(), "genre").key().is("genre")),
                of("element", (g, r) -> r.properties(g.V(), "genre").hasValue("novel").element()),
                of("path", (g, r) -> r.properties(g.V(), "genre").path()),
                of("path of values", (g, r) -> r.values(g.V(1).out().out(), "genre").path()),
                of("path by", (g, r) -> r.properties(g.V(), "genre").path().by("name").by(T.value)),
                of("simplePath", (g, r) -> r.values(g.V().out("borrowed"), "genre").simplePath()),
                of("bulk", (g, r) -> r.values(g.V().out("borrowed").barrier(), "genre")),
                of("bulk of properties", (g, r) -> r.properties(g.V().out("borrowed").barrier(), "genre")),
                of("bulk counted", (g, r) -> r.values(g.V().out("borrowed").barrier(), "genre").count()),
                of("bulk after", (g, r) -> r.values(g.V().out("borrowed"), "genre").barrier().groupCount()),
                of("mid-traversal V()", (g, r) -> r.values(g.inject(1, 2).V(11, 12), "genre")),
                of("math", (g, r) -> r.values(g.V(), "age").math("_ * 2")),
                of("select(value)", (g, r) -> g.V().hasLabel("Book").group().by(r.values("genre").fold()).by(T.id)),
                of("constant", (g, r) -> r.values(g.V(), "genre").constant(1)));
    }

    private static Stream<Form> edges() {
        return Stream.of(
                of("edge values", (g, r) -> r.values(g.E(), "mood")),
                of("edge properties", (g, r) -> r.properties(g.E(), "mood")),
                of("edge by id", (g, r) -> r.properties(g.E(103, 104, 103), "days")),
                of("edge regression", (g, r) -> r.values(g.E(), "days").is(P.gte(3))),
                of("edge hasValue", (g, r) -> r.properties(g.E(), "mood").hasValue("calm")),
                of("edge has(value)", (g, r) -> r.properties(g.E(), "mood").has(T.value, P.neq("calm"))),
                of("edge hasKey", (g, r) -> r.properties(g.E(), "mood").hasKey("mood").value()),
                of("edge key", (g, r) -> r.properties(g.E(), "mood").key()),
                of("edge element", (g, r) -> r.properties(g.E(), "mood").element()),
                of("edge path", (g, r) -> r.properties(g.V(3).outE("borrowed"), "mood").path()),
                of("edge dedup", (g, r) -> r.values(g.E(), "mood").dedup()),
                of("edge where", (g, r) -> g.V().outE().where(r.values("days").is(P.gt(2))).inV()),
                of("edge order", (g, r) -> g.E().hasLabel("borrowed").order().by(r.values("days")).by(T.id)),
                of("edge project", (g, r) -> g.E().hasLabel("borrowed").has("mood").project("e", "m", "d").by(T.id).by(r.values("mood")).by(r.values("days"))),
                of("edge group", (g, r) -> g.E().hasLabel("borrowed").has("mood").group().by(r.values("mood")).by(__.count())),
                of("edge sum", (g, r) -> r.values(g.E(), "days").sum()));
    }

    private static Stream<Form> named() {
        return Stream.of(
                of("as/select", (g, r) -> r.properties(g.V().as("b"), "genre").as("p").select("b", "p")),
                of("as/select values", (g, r) -> r.values(g.V().as("b"), "genre").as("p").select("b", "p").by("name").by()),
                of("select one", (g, r) -> r.values(g.V().as("b"), "genre").select("b")),
                of("select pop", (g, r) -> r.values(g.V().as("x"), "genre").as("x").select(Pop.all, "x")),
                of("select(b).values", (g, r) -> r.values(g.V().as("b").out("borrowed").select("b"), "age")),
                of("where eq", (g, r) -> r.values(r.values(g.V(11).as("a"), "genre").as("g").V(), "genre").as("h").where("g", P.eq("h")).count()),
                of("where by", (g, r) -> g.V().hasLabel("Reader").has("age").as("a").out("knows").has("age").as("b").where("a", P.gt("b")).by(r.values("age")).select("a", "b").by(T.id)),
                of("dedup by label", (g, r) -> r.values(g.V().as("b"), "genre").as("p").dedup("p").select("p")));
    }

    private static Stream<Form> filters() {
        return Stream.of(
                of("where is", (g, r) -> g.V().where(r.values("genre").is("poetry"))),
                of("where properties", (g, r) -> g.V().where(r.properties("genre").hasValue("poetry"))),
                of("filter exists", (g, r) -> g.V().filter(r.values("age"))),
                of("not", (g, r) -> g.V().not(r.values("genre"))),
                of("not is", (g, r) -> g.V().hasLabel("Book").not(r.values("genre").is(P.within("novel", "essay")))),
                of("or", (g, r) -> g.V().or(r.values("genre").is("essay"), r.values("age").is(P.gt(22)))),
                of("and", (g, r) -> g.V().and(r.values("age").is(P.gt(20)), __.out("borrowed"))),
                of("infix or", (g, r) -> g.V().where(r.values(r.values("genre").is("essay").or(), "age").is(P.gt(22)))),
                of("is(not)", (g, r) -> r.values(g.V(), "genre").is(P.neq("poetry").and(P.neq("novel")))),
                of("where count is 0", (g, r) -> g.V().where(r.values("genre").count().is(0))),
                of("where count is 1", (g, r) -> g.V().where(r.values("genre").count().is(1))),
                of("where count of neighbours", (g, r) -> g.V().where(r.values(__.out("borrowed"), "genre").count().is(P.gte(2)))),
                of("dedup", (g, r) -> r.values(g.V(), "genre").dedup()),
                of("dedup properties", (g, r) -> r.properties(g.V(11, 11, 14), "genre").dedup()),
                of("dedup by", (g, r) -> g.V().has("genre").dedup().by(r.values("genre"))),
                of("tree filter", (g, r) -> g.V().has("name", "r3").repeat(__.out().simplePath()).until(r.values("genre").is("novel"))));
    }

    private static Stream<Form> collected() {
        return Stream.of(
                of("order", (g, r) -> r.values(g.V(), "genre").order()),
                of("order desc", (g, r) -> r.properties(g.V(), "genre").value().order().by(Order.desc)),
                of("order by", (g, r) -> g.V().has("age").order().by(r.values("age"), Order.desc).by(T.id)),
                of("order properties by value", (g, r) -> r.properties(g.V(), "age").order().by(T.value).by(__.element().id())),
                of("order local", (g, r) -> r.values(g.V(), "genre").fold().order(Scope.local)),
                of("fold", (g, r) -> r.values(g.V(), "genre").fold()),
                of("fold properties", (g, r) -> r.properties(g.V(), "genre").fold()),
                of("fold unfold", (g, r) -> r.properties(g.V(), "genre").fold().unfold().element()),
                of("count", (g, r) -> r.values(g.V(), "genre").count()),
                of("sum", (g, r) -> r.values(g.V(), "age").sum()),
                of("max", (g, r) -> r.values(g.V(), "age").max()),
                of("mean", (g, r) -> r.values(g.V(), "age").mean()),
                of("groupCount", (g, r) -> r.values(g.V(), "genre").groupCount()),
                of("groupCount properties", (g, r) -> r.properties(g.V(11, 11, 14), "genre").groupCount()),
                of("groupCount by", (g, r) -> g.V().has("genre").groupCount().by(r.values("genre"))),
                of("group by", (g, r) -> g.V().has("genre").group().by(r.values("genre")).by("name")),
                of("group by twice", (g, r) -> g.V().has("genre").group().by(T.label).by(r.values("genre").fold())),
                of("group by count", (g, r) -> g.V().has("genre").group().by(r.properties("genre").value()).by(__.count()).unfold().order().by(Column.keys)),
                of("group by reduced", (g, r) -> g.V().has("age").group().by(__.out("knows").count()).by(r.values("age").max())),
                of("tree", (g, r) -> r.values(g.V(3).out("borrowed"), "genre").tree()),
                of("aggregate", (g, r) -> r.values(g.V(), "genre").aggregate("x").cap("x")),
                of("group side effect", (g, r) -> g.V().has("genre").group("x").by(r.values("genre")).by("name").cap("x")),
                of("groupCount side effect", (g, r) -> r.values(g.V(), "genre").groupCount("x").cap("x")),
                of("index", (g, r) -> r.values(g.V(), "genre").fold().index()));
    }

    private static Stream<Form> nested() {
        return Stream.of(
                of("project", (g, r) -> g.V().hasLabel("Book").has("genre").project("id", "genre").by(T.id).by(r.values("genre"))),
                of("project properties", (g, r) -> g.V().has("genre").project("id", "genre").by(T.id).by(r.properties("genre"))),
                of("project fold", (g, r) -> g.V().project("a", "g").by(r.values("age").fold()).by(r.values("genre").fold())),
                of("project neighbours", (g, r) -> g.V().hasLabel("Reader").project("n", "g").by("name").by(r.values(__.out("borrowed"), "genre").fold())),
                of("project coalesce", (g, r) -> g.V().project("n", "g").by("name").by(__.coalesce(r.values("genre"), __.constant("none")))),
                of("project value filter", (g, r) -> g.V().has("genre").project("g").by(r.properties("genre").value())),
                of("map", (g, r) -> g.V().has("genre").map(r.values("genre"))),
                of("flatMap", (g, r) -> g.V().flatMap(r.properties("genre"))),
                of("local", (g, r) -> g.V().hasLabel("Reader").local(r.values(__.out("borrowed"), "genre").limit(1))),
                of("local fold", (g, r) -> g.V().local(r.values("genre").fold())),
                of("subquery", (g, r) -> g.V().hasLabel("Reader").map(r.values(__.V().hasLabel("Book"), "genre").dedup().fold())),
                of("match", (g, r) -> g.V().match(__.as("r").out("borrowed").as("b"), r.values(__.as("b"), "genre").as("g")).select("r", "g").by("name").by()),
                of("match filter", (g, r) -> g.V().match(__.as("r").out("borrowed").as("b"), __.as("b").where(r.values("genre").is("novel"))).select("r", "b").by(T.id)),
                of("where as", (g, r) -> g.V().as("a").out("borrowed").as("b").where(r.values(__.as("b"), "genre").is("poetry")).select("a", "b").by(T.id)),
                of("deep", (g, r) -> g.V().map(__.local(__.where(__.not(r.values("genre").is("essay"))).values("name")))),
                of("optional filter", (g, r) -> g.V().optional(__.out("borrowed").where(r.values("genre").is("novel")))));
    }

    private static Stream<Form> branches() {
        return Stream.of(
                of("union with stored", (g, r) -> g.V(11, 14).union(r.values("genre"), __.values("name"))),
                of("union properties", (g, r) -> g.V().union(r.properties("genre"), r.properties("age"))),
                of("union with barrier", (g, r) -> g.V().union(r.values("genre").order(), r.values("age").order())),
                of("union counts", (g, r) -> g.V().union(r.values("genre").count(), r.values("age").count())),
                of("choose then", (g, r) -> g.V().choose(__.hasLabel("Book"), r.values("genre"), r.values("age"))),
                of("choose if", (g, r) -> g.V().choose(r.values("genre").is("poetry"), __.constant("yes"), __.constant("no"))),
                of("choose option", (g, r) -> g.V().has("genre").choose(r.values("genre")).option("poetry", __.values("name")).option("novel", __.constant("long")).option("essay", __.id())),
                of("coalesce", (g, r) -> g.V().coalesce(r.values("genre"), r.values("age"), __.constant("neither"))),
                of("coalesce second", (g, r) -> g.V().coalesce(__.out("none").values("name"), r.properties("age"))),
                of("optional", (g, r) -> g.V().optional(__.out("borrowed").where(r.values("genre").is("poetry"))).values("name")),
                of("branch", (g, r) -> g.V().has("genre").branch(r.values("genre")).option("poetry", __.constant(1)).option("essay", __.constant(2)).option("novel", __.constant(3))));
    }

    private static Stream<Form> loops() {
        return Stream.of(
                of("repeat times then", (g, r) -> r.values(g.V(1).repeat(__.out()).times(2), "genre")),
                of("repeat filter", (g, r) -> g.V(1).repeat(__.out("knows").where(r.values("age").is(P.gt(20)))).times(2)),
                of("repeat filter emit", (g, r) -> g.V(1).repeat(__.out("knows").where(r.values("age").is(P.gt(20)))).times(3).emit().path()),
                of("repeat emit where", (g, r) -> g.V(1).repeat(__.out()).emit(r.values("genre").is("novel")).times(2)),
                of("repeat until", (g, r) -> g.V(2).repeat(__.out().simplePath()).until(r.values("genre"))),
                of("until repeat", (g, r) -> g.V().until(r.values("genre")).repeat(__.out("borrowed")).dedup()),
                of("repeat element", (g, r) -> g.V().has("genre").repeat(Reading.owners(r.properties(__.identity(), "genre"))).times(3)),
                of("repeat until predicate", (g, r) -> g.V().hasLabel("Reader").emit().repeat(__.out().where(__.or(r.values("age"), r.values("genre")))).until(__.loops().is(2)).path()));
    }

    private static Stream<Form> cut() {
        return Stream.of(
                of("limit", (g, r) -> r.values(g.V(), "genre").limit(2)),
                of("limit 0", (g, r) -> r.values(g.V(), "genre").limit(0)),
                of("limit properties", (g, r) -> r.properties(g.V(), "genre").limit(3)),
                of("range", (g, r) -> r.values(g.V(), "genre").range(1, 4)),
                of("skip", (g, r) -> r.values(g.V(), "genre").skip(3)),
                of("tail", (g, r) -> r.values(g.V(), "genre").tail(2)),
                of("limit then more", (g, r) -> r.properties(g.V(), "genre").limit(3).element().values("name")),
                of("limit twice", (g, r) -> r.values(g.V(), "genre").limit(5).range(1, 3)),
                of("limit bulked", (g, r) -> r.values(g.V().out("borrowed").barrier(), "genre").limit(4)),
                of("range bulked", (g, r) -> r.values(g.V().out("borrowed").barrier(), "genre").range(2, 6)),
                of("limit after filter", (g, r) -> r.values(g.V(), "genre").is("novel").limit(1)),
                of("limit before", (g, r) -> r.values(g.V().limit(12), "genre")),
                of("limit in repeat", (g, r) -> g.V(1, 2).repeat(Reading.owners(r.properties(__.out("knows"), "age").limit(2))).times(2)),
                of("limit in union", (g, r) -> g.V().union(r.values("genre").limit(1), r.values("age").limit(2))),
                of("limit local", (g, r) -> r.values(g.V(), "genre").fold().limit(Scope.local, 2)),
                of("by limit", (g, r) -> g.V().hasLabel("Reader").project("g").by(r.values(__.out("borrowed"), "genre").limit(1).fold())));
    }

    private static Stream<Form> further() {
        return Stream.of(
                of("two predictions", (g, r) -> r.properties(r.properties(g.V(), "genre").element().in("borrowed"), "age")),
                of("beside each other", (g, r) -> g.V().hasLabel("Reader").has("age").as("a").map(r.values("age")).as("x").select("a").out("borrowed").map(__.coalesce(r.values("genre"), __.constant("?"))).as("y").select("x", "y")),
                of("element out", (g, r) -> r.properties(g.V(), "genre").hasValue("poetry").element().in("borrowed").values("name")),
                of("inject after", (g, r) -> r.values(g.V(), "genre").inject("first")),
                of("profile side effect", (g, r) -> r.values(g.V(), "genre").profile("metrics")),
                of("barrier", (g, r) -> r.values(g.V(), "genre").barrier()),
                of("cyclic", (g, r) -> r.properties(g.V(11).in().out("borrowed"), "genre").element().cyclicPath()),
                of("identity", (g, r) -> r.values(g.V().identity(), "genre").identity()));
    }
}
