package shop

import "testing"

func TestTotals(t *testing.T) {
	items := []Item{{"tea", 2}, {"bread", 1}}
	if cents, err := Total(items); err != nil || cents != 1840 || Count(items) != 3 {
		t.Errorf("%d, %v, %d", cents, err, Count(items))
	}
	for _, wrong := range [][]Item{{{"gold", 1}}, {{"tea", 0}}, {{"tea", -1}}, make([]Item, mostItems+1)} {
		if _, err := Total(wrong); err == nil {
			t.Errorf("%v was priced", wrong)
		}
	}
	for range 100 {
		if _, err := Total(RandomItems()); err != nil {
			t.Fatal(err)
		}
	}
}
