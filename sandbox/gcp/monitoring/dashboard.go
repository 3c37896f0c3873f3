package monitoring

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

var dashboardResource = &gcp.Resource{
	Kind: KindDashboard, Noun: "dashboard", Name: "projects/{projectNumber}/dashboards/{uuid}",
	Permissions: gcp.CRUD("monitoring.dashboards"),
	Check:       checkDashboard, Admit: admitDashboard,
}

// maxWidgets limits the number of widgets of a dashboard (Cloud Monitoring release notes, 2 May
// 2025: from 40 to 100).
const maxWidgets = 100

// Fields of a dashboard and of a widget ("projects.dashboards", Cloud Monitoring API).
var (
	dashboardFields = strings.Fields("name displayName etag labels dashboardFilters annotations")
	layouts         = strings.Fields("gridLayout mosaicLayout rowLayout columnLayout")
	widgetFields    = strings.Fields("title id visibilityCondition")
	widgetContents  = strings.Fields(`xyChart scorecard text blank alertChart timeSeriesTable collapsibleGroup logsPanel
		incidentList pieChart treemap errorReportingPanel sectionHeader singleViewGroup`)
)

// checkDashboard follows "projects.dashboards" (Cloud Monitoring API).
func checkDashboard(p gcp.Properties) []gcp.Violation {
	text, given := p.Get("dashboardJson").(string)
	if !given {
		return nil
	}
	d := &dashboard{}
	if err := json.Unmarshal([]byte(text), &d.p); err != nil || d.p == nil {
		return []gcp.Violation{{Property: "dashboardJson", Reason: fmt.Sprintf("it is not a JSON object: %v", err)}}
	}
	d.fields("", d.p, slices.Concat(dashboardFields, layouts))
	if d.p.Text("displayName") == "" {
		d.wrong("displayName is required")
	}
	if given := present(d.p, layouts); len(given) != 1 {
		d.wrong("it must have exactly one of %s, and has %d", strings.Join(layouts, ", "), len(given))
	}
	d.widgets("gridLayout.widgets")
	for _, list := range []string{"rowLayout.rows", "columnLayout.columns"} {
		for i := range d.p.Objects(list) {
			d.widgetList(fmt.Sprintf("%s[%d].widgets", list, i), d.p.Objects(list)[i].Objects("widgets"))
		}
	}
	d.mosaic()
	if d.count > maxWidgets {
		d.wrong("%d widgets are more than %d", d.count, maxWidgets)
	}
	return d.found
}

// dashboard is a dashboard that is being checked.
type dashboard struct {
	p     gcp.Properties
	count int // widgets
	found []gcp.Violation
}

func (d *dashboard) wrong(format string, args ...any) {
	d.found = append(d.found, gcp.Violation{Property: "dashboardJson", Reason: fmt.Sprintf(format, args...)})
}

// fields checks that an object has known fields only, as Google's JSON parser does.
func (d *dashboard) fields(at string, o gcp.Properties, known []string) {
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(known, key) {
			d.wrong("Unknown name %q at %q: Cannot find field.", key, strings.TrimPrefix(at+"."+key, "."))
		}
	}
}

func (d *dashboard) widgets(path string) { d.widgetList(path, d.p.Objects(path)) }

func (d *dashboard) widgetList(path string, widgets []gcp.Properties) {
	for i, w := range widgets {
		d.widget(fmt.Sprintf("%s[%d]", path, i), w)
	}
}

func (d *dashboard) widget(at string, w gcp.Properties) {
	d.count++
	d.fields(at, w, slices.Concat(widgetFields, widgetContents))
	if given := present(w, widgetContents); len(given) != 1 {
		d.wrong("%s must have exactly one of %s, and has %d", at, strings.Join(widgetContents, ", "), len(given))
	}
	d.queries(at, map[string]any(w))
}

// queries checks the PromQL queries inside a widget. One with the dashboard's
// variables, $name or ${name}, is PromQL only once these have their values.
func (d *dashboard) queries(at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			query, isText := v[key].(string)
			if key == "prometheusQuery" && isText && !strings.Contains(query, "$") {
				if problem := promQLProblem(query); problem != "" {
					d.wrong("%s.%s: %s", at, key, problem)
				}
			}
			d.queries(at+"."+key, v[key])
		}
	case []any:
		for i, item := range v {
			d.queries(fmt.Sprintf("%s[%d]", at, i), item)
		}
	}
}

// mosaic checks that tiles are inside the columns and do not overlap ("projects. dashboards":
// MosaicLayout; the dashboards that Google's console makes have 48 columns). A tile that groups
// others lies under those by design.
func (d *dashboard) mosaic() {
	if !d.p.Has("mosaicLayout") {
		return
	}
	columns := integer(d.p.Get("mosaicLayout.columns"))
	if columns < 1 || columns > 48 {
		d.wrong("mosaicLayout.columns: %d is not between 1 and 48", columns)
	}
	var placed []tile
	for i, o := range d.p.Objects("mosaicLayout.tiles") {
		at := fmt.Sprintf("mosaicLayout.tiles[%d]", i)
		d.fields(at, o, []string{"xPos", "yPos", "width", "height", "widget"})
		d.widget(at+".widget", o.Object("widget"))
		t := tile{at, integer(o["xPos"]), integer(o["yPos"]), integer(o["width"]), integer(o["height"])}
		if t.x < 0 || t.y < 0 || t.width < 1 || t.height < 1 || t.x+t.width > columns {
			d.wrong("%s: a tile of %dx%d at %d,%d is not within %d columns", at, t.width, t.height, t.x, t.y, columns)
		}
		if o.Has("widget.collapsibleGroup") || o.Has("widget.singleViewGroup") {
			continue
		}
		for _, other := range placed {
			if t.overlaps(other) {
				d.wrong("%s overlaps %s", at, other.at)
			}
		}
		placed = append(placed, t)
	}
}

// tile is the place of a widget in a mosaic.
type tile struct {
	at                  string
	x, y, width, height int
}

func (t tile) overlaps(other tile) bool {
	return t.x < other.x+other.width && other.x < t.x+t.width && t.y < other.y+other.height && other.y < t.y+t.height
}

// integer reads a number in any form that ProtoJSON allows, including text. A missing number
// is 0. Anything that is not a whole number is -1, which is allowed nowhere.
func integer(v any) int {
	switch n := v.(type) {
	case nil:
		return 0
	case float64:
		if n == float64(int(n)) {
			return int(n)
		}
	case string:
		if i, err := strconv.Atoi(n); err == nil {
			return i
		}
	}
	return -1
}

func present(o gcp.Properties, keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !o.Has(key) })
}

// dropDefaults removes from a JSON object what Protocol Buffers' JSON does not write: texts and
// lists that are empty, 0, false, and the first value of an enum, which Google's APIs call
// _UNSPECIFIED ("ProtoJSON Format": fields with implicit presence). Objects stay.
func dropDefaults(o map[string]any) {
	for key, value := range o {
		switch v := value.(type) {
		case map[string]any:
			dropDefaults(v)
		case []any:
			for _, item := range v {
				if nested, ok := item.(map[string]any); ok {
					dropDefaults(nested)
				}
			}
			if len(v) == 0 {
				delete(o, key)
			}
		case string:
			if v == "" || strings.HasSuffix(v, "_UNSPECIFIED") {
				delete(o, key)
			}
		case float64:
			if v == 0 {
				delete(o, key)
			}
		case bool:
			if !v {
				delete(o, key)
			}
		}
	}
}

// admitDashboard stores the JSON as the API returns it: normalised, with the name and an etag
// that changes with the content.
func admitDashboard(t *gcp.Change) error {
	stored := gcp.Properties{}
	if err := json.Unmarshal([]byte(t.New.Config.Text("dashboardJson")), &stored); err != nil {
		return gcp.BadRequest("Invalid JSON payload received. %v", err)
	}
	dropDefaults(map[string]any(stored))
	delete(stored, "etag")
	stored["name"] = t.New.Name
	content, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	stored["etag"] = hex.EncodeToString(sum[:16])
	if content, err = json.Marshal(stored); err != nil {
		return err
	}
	t.New.Status["dashboardJson"] = string(content)
	return nil
}
