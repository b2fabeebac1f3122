package io.github.neptuneml.gremlin.strategy;

import io.github.neptuneml.gremlin.NeptuneML;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.step.Configuring;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.RequirementsStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.traverser.TraverserRequirement;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;

/** Reading a traversal: all its children, and the predicates on its steps. */
final class Traversals {

    private static final Map<String, String> WRITTEN = Map.of(
            "Graph", "V() or E()", "PropertyMap", "valueMap()", "AddVertex", "addV()",
            "AddEdge", "addE()", "AddProperty", "property()", "TraversalFilter", "where() or filter()",
            "MergeVertex", "mergeV()", "MergeEdge", "mergeE()", "EdgeVertex", "inV(), outV() or bothV()", "EdgeOtherVertex", "otherV()");

    private Traversals() {
    }

    /** A traversal and everything nested in it, parents first. */
    static List<Traversal.Admin<?, ?>> tree(final Traversal.Admin<?, ?> root) {
        final List<Traversal.Admin<?, ?>> tree = new ArrayList<>();
        TraversalHelper.applyTraversalRecursively(tree::add, root);
        return tree;
    }

    /** Whether a test holds for a traversal or anything nested in it, parents first; every query pays for this walk. */
    static boolean any(final Traversal.Admin<?, ?> traversal, final Predicate<Traversal.Admin<?, ?>> test) {
        if (test.test(traversal)) return true;
        final List<Step> steps = traversal.getSteps();
        for (int i = 0; i < steps.size(); i++) {
            if (!(steps.get(i) instanceof TraversalParent)) continue;
            final TraversalParent parent = (TraversalParent) steps.get(i);
            for (final Traversal.Admin<?, ?> child : parent.getLocalChildren()) if (any(child, test)) return true;
            for (final Traversal.Admin<?, ?> child : parent.getGlobalChildren()) if (any(child, test)) return true;
        }
        return false;
    }

    /** Whether a query can tell which objects it went through. */
    static boolean showsPaths(final List<Traversal.Admin<?, ?>> tree) {
        return tree.get(0).getStrategies().getStrategy(RequirementsStrategy.class).isPresent()
                || tree.stream().flatMap(traversal -> traversal.getSteps().stream())
                        .anyMatch(step -> step.getRequirements().contains(TraverserRequirement.PATH));
    }

    /** The predicates that {@code with(...)} gave to a step; where one was given twice, the last value. */
    static Map<String, Object> predicates(final Step<?, ?> step) {
        if (!(step instanceof Configuring)) return Map.of();
        final Map<Object, List<Object>> raw = ((Configuring) step).getParameters().getRaw();
        if (raw.isEmpty()) return Map.of();
        final Map<String, Object> predicates = new LinkedHashMap<>();
        raw.forEach((key, values) -> {
            if (NeptuneML.isPredicate(key)) predicates.put((String) key, values.get(values.size() - 1));
        });
        return predicates;
    }

    /** The step as a user writes it, or nearly. */
    static String name(final Step<?, ?> step) {
        final String type = step.getClass().getSimpleName().replaceAll("(Start)?Step(Placeholder|Contract)?$", "");
        return WRITTEN.getOrDefault(type, type.substring(0, 1).toLowerCase(Locale.ROOT) + type.substring(1) + "()");
    }
}
