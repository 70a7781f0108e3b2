module diagmesh.test/talker

go 1.25.0
