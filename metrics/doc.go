// SPDX-License-Identifier: Apache-2.0

// Package metrics is what an operator's monitoring sees of a node, in the format
// of Prometheus.
//
// [New] makes the counters. What happens is told to a [Meter], by the gateway
// and whoever else; what stands is read from a [Sources] when somebody asks.
// [Meter.Handler] serves both on a listener of its own.
//
// The one table in table.go names every metric, with its labels. The values of
// each label come from a closed list, or from the configuration: what callers
// send never makes a new series. docs/operations/metrics.md is written from the
// table.
package metrics
