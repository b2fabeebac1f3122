// Asks through TinkerPop's Go driver: ask ws://host:port/gremlin < queries.json
// Prints {name: answers}, of queries that are lists of steps (tests/contract/queries.py).
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
	"strings"

	gremlingo "github.com/apache/tinkerpop/gremlin-go/v3/driver"
)

type steps = []any

func main() {
	connection, err := gremlingo.NewDriverRemoteConnection(os.Args[1])
	check(err)
	defer connection.Close()
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	var queries map[string]steps
	check(decoder.Decode(&queries))
	answers := map[string]any{}
	for name, query := range queries {
		traversal := chain(gremlingo.Traversal_().With(connection), query).(*gremlingo.GraphTraversal)
		results, err := traversal.ToList()
		check(err)
		rows := []any{}
		for _, result := range results {
			rows = append(rows, plain(result.GetInterface()))
		}
		answers[name] = rows
	}
	check(json.NewEncoder(os.Stdout).Encode(answers))
}

func chain(start any, query steps) any {
	for _, each := range query {
		step := each.(steps)
		start = call(start, step[0].(string), step[1:])
	}
	return start
}

// call calls a method by its Gremlin name, which Go writes with a capital.
func call(receiver any, name string, values []any) any {
	method := reflect.ValueOf(receiver).MethodByName(strings.ToUpper(name[:1]) + name[1:])
	arguments := []reflect.Value{}
	for _, value := range values {
		arguments = append(arguments, reflect.ValueOf(argument(value)))
	}
	return method.Call(arguments)[0].Interface()
}

func argument(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return int32(whole)
		}
		fraction, err := value.Float64()
		check(err)
		return fraction
	case map[string]any:
		return token(value)
	}
	return value
}

func token(value map[string]any) any {
	if child, ok := value["child"]; ok {
		return chain(gremlingo.T__, child.(steps))
	}
	if predicate, ok := value["P"].([]any); ok {
		return call(gremlingo.P, predicate[0].(string), predicate[1:])
	}
	if name, ok := value["Order"]; ok {
		return map[any]any{"asc": gremlingo.Order.Asc, "desc": gremlingo.Order.Desc}[name]
	}
	return map[any]any{"value": gremlingo.T.Value}[value["T"]]
}

// plain turns an answer into what JSON can say.
func plain(answer any) any {
	switch answer := answer.(type) {
	case map[any]any:
		members := map[string]any{}
		for key, value := range answer {
			members[fmt.Sprint(key)] = plain(value)
		}
		return members
	case []any:
		for index, value := range answer {
			answer[index] = plain(value)
		}
	}
	return answer
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
